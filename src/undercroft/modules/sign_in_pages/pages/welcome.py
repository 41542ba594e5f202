"""The first page that somebody sees."""

from typing import Any

from fastapi import Request, Response

from undercroft.core.auth import PlatformRole, Principal, Router
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth import Identity, IdentityDep
from undercroft.modules.identities import ConnectionsDep
from undercroft.modules.sign_in_pages.answers import JOIN_PAGE, REGISTER_PAGE, SIGN_IN_PAGE, SIGN_OUT_PAGE, form_page
from undercroft.modules.sign_in_pages.visitors import Visitor
from undercroft.modules.teams import list_offers
from undercroft.providers.identity import IdentitySettings

SHOWN_OFFERS = 20
ADMIN_PAGE = "/admin"

welcome = Router(surface="root")


@welcome.get("/")
async def welcome_page(
    request: Request, visitor: Visitor, identity: IdentityDep, connections: ConnectionsDep
) -> Response:
    """Another one is put here by a template called `sign_in_pages/welcome.html`."""
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
        admin=_admin(request, visitor),
        **(await _offers(identity, visitor) if visitor else {"offers": []}),
    )


def _admin(request: Request, visitor: Principal | None) -> str:
    """Where this user administers the platform; empty for other users, and where `/admin` is not served."""
    is_admin = visitor is not None and visitor.role.includes(PlatformRole.ADMIN)
    is_served = any(getattr(route, "path", "") == ADMIN_PAGE for route in request.app.routes)
    return ADMIN_PAGE if is_admin and is_served else ""


async def _offers(identity: Identity, visitor: Principal) -> dict[str, Any]:
    """Teams that the user may join, and what the form that joins one needs."""
    async with identity.database.reading() as session:
        found = await list_offers(session, visitor.user_id, page=1, size=SHOWN_OFFERS)
    return {
        "offers": found.teams.items,
        "domain": found.domain,
        "join": JOIN_PAGE,
        "csrf_token": identity.authenticator.csrf.issue(visitor.session_id),
    }
