"""The Content-Security-Policy (CSP) of pages and of all other responses."""

from collections.abc import Mapping

CSP_DIRECTIVES = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
"""The policy of pages: no scripts, and nothing from other hosts."""

DEFAULT_CSP_DIRECTIVES = {
    "default-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""The policy of responses that set none."""


def build_csp(**changes: str) -> str:
    """The Content-Security-Policy of pages, with directives changed: `build_csp(frame_src="'self'")`."""
    directives = CSP_DIRECTIVES | {name.replace("_", "-"): value for name, value in changes.items()}
    return join_directives(directives)


def join_directives(directives: Mapping[str, str]) -> str:
    """The value of the header `Content-Security-Policy`."""
    return "; ".join(f"{name} {value}" for name, value in directives.items())
