"""The welcome page at `/`."""

from typing import Any

from fastapi import Request, Response

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.http import Router
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth import AuthServices, AuthServicesDep
from undercroft.modules.identities import ConnectionsDep
from undercroft.modules.sign_in_pages.responses import JOIN_PAGE, REGISTER_PAGE, SIGN_IN_PAGE, SIGN_OUT_PAGE, form_page
from undercroft.modules.sign_in_pages.visitors import Visitor
from undercroft.modules.teams import list_offers
from undercroft.providers.identity import IdentitySettings

MAX_OFFERS = 20
ADMIN_PAGE = "/admin"

welcome_router = Router(surface="root")


@welcome_router.get("/")
async def welcome_page(
    request: Request, visitor: Visitor, auth_services: AuthServicesDep, connections: ConnectionsDep
) -> Response:
    """Show the welcome page. Projects replace it with their own template `sign_in_pages/welcome.html`."""
    return form_page(
        request,
        "welcome",
        sign_in=SIGN_IN_PAGE,
        register=REGISTER_PAGE,
        sign_out=SIGN_OUT_PAGE,
        name=(visitor.subject["full_name"] or visitor.subject["email"]) if visitor else "",
        is_local=not load(IdentitySettings).is_external,
        has_social=bool(connections.social),
        in_development=load(CoreSettings).is_development,
        admin=_admin_path(request, visitor),
        **(await _list_offers(auth_services, visitor) if visitor else {"offers": []}),
    )


def _admin_path(request: Request, visitor: Principal | None) -> str:
    """Return the path of the administration; empty for users without the role, and if `/admin` is not served."""
    is_admin = visitor is not None and visitor.role.includes(PlatformRole.ADMIN)
    is_served = any(getattr(route, "path", "") == ADMIN_PAGE for route in request.app.routes)
    return ADMIN_PAGE if is_admin and is_served else ""


async def _list_offers(auth_services: AuthServices, visitor: Principal) -> dict[str, Any]:
    """Return the template context for the teams that the user can join."""
    async with auth_services.database.read_session() as session:
        found = await list_offers(session, visitor.user_id, page=1, size=MAX_OFFERS)
    return {
        "offers": found.teams.items,
        "domain": found.domain,
        "join": JOIN_PAGE,
        "csrf_token": auth_services.authenticator.csrf.issue(visitor.session_id),
    }
