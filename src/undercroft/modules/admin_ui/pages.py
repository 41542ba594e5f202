"""Signing in to `/admin` and out of it. A session that is begun here is one like any other, and as well protected."""

from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from undercroft.core.errors import AppError, BadRequest, Unauthorized
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, page
from undercroft.core.http.same_site import same_site
from undercroft.core.security.passwords import MAX_LENGTH
from undercroft.core.validation import Email
from undercroft.modules.admin_ui.gate import SIGN_IN, CrossSite, Gate
from undercroft.modules.auth import Identity, MfaRequired, SessionKind, clear_session_cookie, set_session_cookie
from undercroft.modules.auth import current_client, end_session, seconds_to_wait

add_templates(Path(__file__).parent / "templates" / "pages")

FORM = "admin_ui/sign_in.html"
CODE = "admin_ui/code.html"
NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}

_email: TypeAdapter[str] = TypeAdapter(Email)


def routes(gate: Gate) -> list[BaseRoute]:
    """What is in front of the gate, and the gate."""
    return [
        Route("/admin", _to_front, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in_page, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in, methods=["POST"], include_in_schema=False),
        Route("/admin/logout", sign_out, methods=["POST"], include_in_schema=False),
        Mount("/admin", app=gate, name="admin"),
    ]


@limit(None)
async def _to_front(request: Request) -> Response:
    return RedirectResponse("/admin/", 308)
