"""HTML pages from the modules' templates, with a strict Content-Security-Policy.

    @router.get("/verify-email")
    async def verify_email_page(request: Request, token: str = "") -> Response:
        return email_link_page(request, "auth/verify_email.html", token=token)

Templates extend `base.html`. The templates of a module are in its folder `templates/pages/<module>/`. A template with
the same path in the project's folder (PAGE_TEMPLATES) replaces it.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from undercroft.core.context import current_context
from undercroft.core.errors import AppError
from undercroft.core.http.assets import CORE_ASSETS, asset_url
from undercroft.core.http.settings import HttpSettings
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
"""The Content-Security-Policy of pages: no scripts, and nothing from other hosts."""
EMAIL_LINK_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


class PageTemplates(Struct, frozen=True):
    """The folders of page templates of an application's modules."""

    folders: tuple[Path, ...] = ()


class SignInPage(Struct, frozen=True):
    """The path of the sign-in page. Pages that require a sign-in link to it, with the requested path as `next`."""

    path: str


class PageBanner(Struct, frozen=True):
    """A text above the content of all pages."""

    text: str
    is_urgent: bool = False


class PageBanners(Struct, frozen=True):
    """The banners of all pages, determined for each page: `context.add(PageBanners, PageBanners(list_banners))`."""

    list: Callable[[], Sequence[PageBanner]]


def build_csp(**changes: str) -> str:
    """The Content-Security-Policy of pages, with directives changed: `build_csp(frame_src="'self'")`."""
    directives = CSP_DIRECTIVES | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def environment() -> "Environment":
    """The Jinja environment of all templates, with autoescaping; an undefined variable is an error."""
    cache_size = 0 if load(CoreSettings).is_development else 400  # in development, new files apply immediately
    return _create_environment((load(HttpSettings).page_templates, *page_folders()), cache_size)


def page_folders() -> tuple[Path, ...]:
    """The folders of the original templates, of which the first that has a template wins."""
    modules = current_context().find(PageTemplates) or PageTemplates()
    return HERE / "templates", *modules.folders


@cache
def _create_environment(folders: tuple[Path, ...], cache_size: int) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, cache_size=cache_size
    )
    env.globals["stylesheets"] = [asset_url(CORE_ASSETS / name) for name in ("tokens.css", "pages.css")]
    env.globals["banners"] = _list_banners
    return env


def _list_banners() -> Sequence[PageBanner]:
    banners = current_context().find(PageBanners)
    return () if banners is None else banners.list()


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


def sign_in_link(wanted: str = "") -> str:
    """The URL of the sign-in page that continues to a path of this site, by default to where a sign-in leads.

    Empty if there is no sign-in page.
    """
    page = current_context().find(SignInPage)
    if page is None:
        return ""
    return f"{page.path}?{urlencode({'next': wanted})}" if wanted else page.path


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
