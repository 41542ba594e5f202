"""Routes to list and join teams that accept users of a domain."""

from typing import Annotated

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageNumberQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.modules.teams.errors import JoinOfferNotFound, SeatLimitReached
from undercroft.modules.teams.join_offers import accept_offer, list_offers
from undercroft.modules.teams.routes.teams import to_team_read
from undercroft.modules.teams.schemas import JoinOffer, JoinOfferAccept, TeamRead

offers = Router(surface="app", prefix="/join-offers", tag="Teams", team_independent=True)


@offers.get("", response_model=Page[JoinOffer], summary="List join offers")
async def list_join_offers(
    query: Annotated[PageNumberQuery, query(PageNumberQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[JoinOffer]:
    """Returns teams that users with the verified domain of the current user may join, oldest first.

    Excludes teams to which the user belongs and teams that removed the user.
    """
    found = await list_offers(session, principal.user_id, page=query.page, size=query.size)
    listed = [
        JoinOffer(id=team.id, name=team.name, domain=found.domain, role=team.auto_join_role)
        for team in found.teams.items
    ]
    return Page.of(listed, total=found.teams.total, page=query.page, size=query.size)


@offers.post(
    "/accept",
    response_model=TeamRead,
    summary="Accept a join offer",
    responses=responses(JoinOfferNotFound, SeatLimitReached),
)
@step_up_exempt("The team granted the access to verified addresses of its domain.")
async def accept_join_offer(body: JoinOfferAccept, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Makes the current user a member of a team that is currently offered, and emails the team's owners.

    Repeating it changes nothing while the user is a member.
    """
    return to_team_read(await accept_offer(session, body.team_id, principal.user_id))
