"""Oneself, and people for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from undercroft.core.auth import PlatformRole, StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, encode_cursor
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.core.http.tags import Tag
from undercroft.modules.users.errors import LastSuperadmin, RoleTooWeak, UserNotFound
from undercroft.modules.users.models import User
from undercroft.modules.users.profile import encode_profile
from undercroft.modules.users.repository import UserRepository, build_filters
from undercroft.modules.users.schemas import ProfileRead, UserAdminRead, UserAdminUpdate, UserUpdate
from undercroft.modules.users.service import UserReadService, UserService

PROFILE_TAG = Tag("Profile", "Who one is.", group="Account")
USERS = Tag("Users", "People, for administrators.", group="Administration")

me = Router(surface="app", prefix="/users", tag=PROFILE_TAG, team_independent=True)
admin = Router(surface="admin", prefix="/users", tag=USERS)


@me.get("/me", response_model=ProfileRead, summary="Read one's own profile")
async def read_profile(principal: CurrentPrincipal) -> Response:
    """Costs no statement beyond the one that authenticates."""
    return Response(encode_profile(principal.subject, principal.impersonator_id), media_type="application/json")


@me.patch("/me", response_model=ProfileRead, summary="Change one's own profile")
@step_up_exempt("Names and preferences open nothing.")
async def update_profile(body: UserUpdate, principal: CurrentPrincipal, session: SessionDep) -> ProfileRead:
    """Only the fields that are given are changed. The address and the password have routes of their own."""
    user = await UserService(session).update_profile(principal.user_id, body.model_dump(exclude_unset=True))
    return ProfileRead.model_validate(user).model_copy(update={"impersonated_by": principal.impersonator_id})


class UserQuery(ListQuery):
    sortable = UserRepository.sortable

    role: PlatformRole | None = None
    is_active: bool | None = Field(None, description="Whether they may come in.")


@admin.get(
    "",
    response_model=Page[UserAdminRead] | CursorPage[UserAdminRead],
    summary="List people",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_users(
    query: Annotated[UserQuery, query(UserQuery)], session: ReadSessionDep
) -> Page[UserAdminRead] | CursorPage[UserAdminRead]:
    """`q` finds parts of addresses and names. By pages with a total; with `cursor` or `limit` by stretches."""
    people, where = UserReadService(session), build_filters(role=query.role, is_active=query.is_active)
    if query.uses_cursor:
        page = await people.list_after(*where, q=query.q, after=query.position, limit=query.limit or 20)
        items = [UserAdminRead.model_validate(user) for user in page.items]
        return CursorPage(items=items, next_cursor=encode_cursor(page.next))
    found = await people.list(*where, q=query.q, sort=query.checked_sort, page=query.page, size=query.size)
    items = [UserAdminRead.model_validate(user) for user in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@admin.get("/{user_id}", response_model=UserAdminRead, summary="Read a person", responses=responses(UserNotFound))
async def read_user(user_id: UUID, session: ReadSessionDep) -> User:
    return await UserReadService(session).get(user_id)


@admin.patch(
    "/{user_id}",
    response_model=UserAdminRead,
    summary="Change a person",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin, StepUpRequired),
)
@step_up_when("the role changes, or the address begins to count as verified")
async def update_user(user_id: UUID, body: UserAdminUpdate, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Only a superadmin changes administrators or makes somebody one. The last superadmin stays one."""
    return await UserService(session).update_as_admin(user_id, body.model_dump(exclude_unset=True), by=principal)


@admin.post(
    "/{user_id}/activate",
    response_model=UserAdminRead,
    summary="Let a person in again",
    responses=responses(UserNotFound, RoleTooWeak, StepUpRequired),
)
@step_up_when("the user was deactivated")
async def activate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Sessions that ended stay ended: the person signs in anew."""
    return await UserService(session).activate(user_id, by=principal)


@admin.post(
    "/{user_id}/deactivate",
    response_model=UserAdminRead,
    summary="Keep a person out",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin),
)
@step_up_exempt("It takes access away.")
async def deactivate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """From the next request on, on every process."""
    return await UserService(session).deactivate(user_id, by=principal)
