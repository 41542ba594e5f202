"""HTML pages: templates of modules in one look, without scripts, under a strict policy.

A module keeps its templates in a folder and says so in its `pages.py`:

    add_templates(Path(__file__).parent / "templates")

    @router.get("/verify-email")
    async def verify_email_page(request: Request, token: str = "") -> Response:
        return email_link_page(request, "verify_email.html", token=token)

Templates extend `base.html`. One with the same name in a folder added with `override=True` is used instead.
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
    """Look for templates in this folder as well; before all others when it overrides."""
    if folder in _folders:
        return
    _folders.insert(0 if override else len(_folders), folder)
    environment.cache_clear()


def set_sign_in_page(path: str) -> None:
    """Let pages that ask for a sign-in lead there, with the address that was wanted as `next`."""
    global _sign_in_page
    _sign_in_page = path


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """The templates of everybody; everything is escaped, a name that is not given is an error."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in _folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["stylesheet"] = asset_url(CORE_ASSETS / "pages.css")
    return made


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
    """Render a template as the answer; `app_name` is always there. Raises what Jinja raises."""
    body = environment().get_template(_name).render(app_name=load(CoreSettings).app_name, **context)
    return HTMLResponse(body, status, {"Content-Security-Policy": csp or build_csp(), **(headers or {})})


def email_link_page(_request: Request, _name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page behind a mailed link: nothing keeps it, and no other site learns its address."""
    return render_page(_request, _name, status=status, headers=EMAIL_LINK_HEADERS, **context)


def sign_in_link(wanted: str) -> str:
    """The address of the sign-in page that leads on to a path of ours; empty where there is no such page."""
    return f"{_sign_in_page}?{urlencode({'next': wanted})}" if _sign_in_page else ""


class Action(Struct, frozen=True):
    """A next step that a page offers; the first of several is the obvious one."""

    label: str
    href: str


def result_page(
    request: Request, title: str, text: str, *actions: Action, template: str = "result.html", **context: Any
) -> HTMLResponse:
    """What a form led to, and what the user can do next. `template` extends `result.html`."""
    return email_link_page(request, template, title=title, text=text, actions=actions, failed=False, **context)


def failure_page(request: Request, error: AppError, title: str, *actions: Action) -> HTMLResponse:
    """Why a form led to nothing, in the error's status and with its headers, and what the user can do instead."""
    response = email_link_page(
        request, "result.html", status=error.status, title=title, text=error.text, actions=actions, failed=True
    )
    response.headers.update(error.headers)
    return response


def error_page(error: AppError, scope: Scope) -> tuple[bytes, dict[str, str]]:
    """An error for a browser: the page and the headers it needs."""
    request_id = scope.get("state", {}).get("request_id")
    sign_in = sign_in_link(scope["path"])
    response = render_page(
        Request(scope), "error.html", status=error.status, error=error, request_id=request_id, sign_in=sign_in
    )
    return bytes(response.body), {"Content-Security-Policy": build_csp()}
