"""HTML pages from the modules' templates, without scripts and with a strict Content-Security-Policy.

A module registers its template folder in its `pages.py`:

    add_templates(Path(__file__).parent / "templates")

    @router.get("/verify-email")
    async def verify_email_page(request: Request, token: str = "") -> Response:
        return email_link_page(request, "verify_email.html", token=token)

Templates extend `base.html`. A template with the same name in a folder added with `override=True` replaces it.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from undercroft.core.errors import AppError
from undercroft.core.http.assets import CORE_ASSETS, asset_url
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
CSP_DIRECTIVES = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
EMAIL_LINK_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

_sign_in_page = ""
_folders: list[Path] = [HERE / "templates"]


def add_templates(folder: Path, *, override: bool = False) -> None:
    """Add a template folder, in front of all others if it overrides."""
    if folder in _folders:
        return
    _folders.insert(0 if override else len(_folders), folder)
    environment.cache_clear()


def set_sign_in_page(path: str) -> None:
    """Set the path of the sign-in page. Pages that require a sign-in link to it, with the requested path as `next`."""
    global _sign_in_page
    _sign_in_page = path


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """The Jinja environment of all templates, with autoescaping; an undefined variable is an error."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in _folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["stylesheet"] = asset_url(CORE_ASSETS / "pages.css")
    return env


def build_csp(**changes: str) -> str:
    """The Content-Security-Policy of pages, with directives changed: `build_csp(frame_src="'self'")`."""
    directives = CSP_DIRECTIVES | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def render_page(
    _request: Request,
    _name: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    csp: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """Render a template as the response; `app_name` is always defined. Raises Jinja's errors."""
    body = environment().get_template(_name).render(app_name=load(CoreSettings).app_name, **context)
    return HTMLResponse(body, status, {"Content-Security-Policy": csp or build_csp(), **(headers or {})})


def email_link_page(_request: Request, _name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a page that an email links to. It is not cached, and its URL is not sent as referrer."""
    return render_page(_request, _name, status=status, headers=EMAIL_LINK_HEADERS, **context)


def sign_in_link(wanted: str) -> str:
    """The URL of the sign-in page that continues to a path of this site; empty if there is no sign-in page."""
    return f"{_sign_in_page}?{urlencode({'next': wanted})}" if _sign_in_page else ""


class Action(Struct, frozen=True):
    """A link to a next step. The first of several is the primary one."""

    label: str
    href: str


def result_page(
    request: Request, title: str, text: str, *actions: Action, template: str = "result.html", **context: Any
) -> HTMLResponse:
    """Render the result of a form and the next steps. `template` extends `result.html`."""
    return email_link_page(request, template, title=title, text=text, actions=actions, failed=False, **context)


def failure_page(request: Request, error: AppError, title: str, *actions: Action) -> HTMLResponse:
    """Render the error of a form with its status and headers, and the next steps."""
    response = email_link_page(
        request, "result.html", status=error.status, title=title, text=error.text, actions=actions, failed=True
    )
    response.headers.update(error.headers)
    return response


def error_page(error: AppError, scope: Scope) -> tuple[bytes, dict[str, str]]:
    """The HTML page of an error and its headers."""
    request_id = scope.get("state", {}).get("request_id")
    sign_in = sign_in_link(scope["path"])
    response = render_page(
        Request(scope), "error.html", status=error.status, error=error, request_id=request_id, sign_in=sign_in
    )
    return bytes(response.body), {"Content-Security-Policy": build_csp()}
