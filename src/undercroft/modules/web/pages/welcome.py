"""The welcome page at `/`, with the teams that the user can join."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Request, Response

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.db import Database, DatabaseDep, Paging, SessionDep
from undercroft.core.http import Audit, Exempt, Router, render_page
from undercroft.core.http.flash import see_other
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.identities import ConnectionsDep
from undercroft.modules.sessions import get_authenticator
from undercroft.modules.teams import JoinService
from undercroft.modules.web.service.forms import NO_STORE, SessionForm
from undercroft.modules.web.service.site import (
    REGISTER_PAGE,
    SIGN_IN_PAGE,
    SIGN_OUT_PAGE,
    WELCOME_PAGE,
    Visitor,
    console_page,
    get_mailbox_actions,
)
from undercroft.providers.identity import IdentitySettings

MAX_OFFERS = 20
ADMIN_PAGE = "/admin"
JOIN_PAGE = "/join"

welcome_router = Router(surface="root")


class JoinForm(SessionForm):
    team_id: UUID


@welcome_router.get("/")
async def welcome_page(
    request: Request, visitor: Visitor, database: DatabaseDep, connections: ConnectionsDep
) -> Response:
    """Show the welcome page. Projects replace it with their own template `web/welcome.html`."""
    return render_page(
        request,
        "web/welcome.html",
        headers=NO_STORE,
        sign_in=SIGN_IN_PAGE,
        register=REGISTER_PAGE,
        sign_out=SIGN_OUT_PAGE,
        console=console_page(),
        name=(visitor.subject["full_name"] or visitor.subject["email"]) if visitor else "",
        is_local=not load(IdentitySettings).is_external,
        has_social=bool(connections.social),
        in_development=load(CoreSettings).is_development,
        has_mailbox=bool(get_mailbox_actions()),
        has_admin=_has_admin(request),
        admin=_admin_path(request, visitor),
        **(await _list_offers(database, visitor) if visitor else {"offers": []}),
    )


@welcome_router.post(
    JOIN_PAGE,
    audit=Audit("member.joined", on_failure=("team.domains_revoked",), none_when="the user is already a member"),
    idempotency=Exempt("Joining a team twice has no further effect."),
)
async def join_team(request: Request, form: Annotated[JoinForm, Form()], session: SessionDep) -> Response:
    """Join a team and open it in the console; without the console, the welcome page lists the remaining teams."""
    principal = await form.authenticate(request)
    joined = await JoinService(session).accept_offer(form.team_id, principal.user_id)
    return see_other(console_page(joined.team.slug) or WELCOME_PAGE)


def _admin_path(request: Request, visitor: Principal | None) -> str:
    """Return the path of the administration; empty for users without the role, and if `/admin` is not served."""
    is_admin = visitor is not None and visitor.role.includes(PlatformRole.ADMIN)
    return ADMIN_PAGE if is_admin and _has_admin(request) else ""


def _has_admin(request: Request) -> bool:
    """Whether this process serves `/admin`."""
    return any(getattr(route, "path", "") == ADMIN_PAGE for route in request.app.routes)


async def _list_offers(database: Database, visitor: Principal) -> dict[str, Any]:
    async with database.read_session() as session:
        domain, teams = await JoinService(session).list_offers(visitor.user_id, Paging(size=MAX_OFFERS))
    return {
        "offers": teams.items,
        "domain": domain,
        "join": JOIN_PAGE,
        "csrf_token": get_authenticator().csrf.issue(visitor.session_id),
    }
