"""Routes of the current user and of user management."""

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

PROFILE_TAG = Tag("Profile", "The current user.", group="Account")
USERS = Tag("Users", "User management for administrators.", group="Administration")

me = Router(surface="app", prefix="/users", tag=PROFILE_TAG, team_independent=True)
admin = Router(surface="admin", prefix="/users", tag=USERS)


@me.get("/me", response_model=ProfileRead, summary="Get the current user")
async def read_profile(principal: CurrentPrincipal) -> Response:
    """Returns the profile of the current user."""
    return Response(encode_profile(principal.subject, principal.impersonator_id), media_type="application/json")


@me.patch("/me", response_model=ProfileRead, summary="Update the current user")
@step_up_exempt("A profile grants no access.")
async def update_profile(body: UserUpdate, principal: CurrentPrincipal, session: SessionDep) -> ProfileRead:
    """Changes only the given fields. Other endpoints change the email address and the password."""
    user = await UserService(session).update_profile(principal.user_id, body.model_dump(exclude_unset=True))
    return ProfileRead.model_validate(user).model_copy(update={"impersonated_by": principal.impersonator_id})


class UserQuery(ListQuery):
    sortable = UserRepository.sortable

    role: PlatformRole | None = None
    is_active: bool | None = Field(None, description="Whether to return only active or only deactivated users.")


@admin.get(
    "",
    response_model=Page[UserAdminRead] | CursorPage[UserAdminRead],
    summary="List users",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_users(
    query: Annotated[UserQuery, query(UserQuery)], session: ReadSessionDep
) -> Page[UserAdminRead] | CursorPage[UserAdminRead]:
    """Returns users, newest first; `q` matches parts of email addresses and names.

    Offset pages with a total count, or cursor pages when `cursor` or `limit` is given.
    """
    users, where = UserReadService(session), build_filters(role=query.role, is_active=query.is_active)
    if query.uses_cursor:
        page = await users.list_after(*where, q=query.q, after=query.position, limit=query.limit or 20)
        items = [UserAdminRead.model_validate(user) for user in page.items]
        return CursorPage(items=items, next_cursor=encode_cursor(page.next))
    found = await users.list(*where, q=query.q, sort=query.checked_sort, page=query.page, size=query.size)
    items = [UserAdminRead.model_validate(user) for user in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@admin.get("/{user_id}", response_model=UserAdminRead, summary="Get a user", responses=responses(UserNotFound))
async def read_user(user_id: UUID, session: ReadSessionDep) -> User:
    """Returns a user, active or not."""
    return await UserReadService(session).get(user_id)


@admin.patch(
    "/{user_id}",
    response_model=UserAdminRead,
    summary="Update a user",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin, StepUpRequired),
)
@step_up_when("the role changes or the email address is marked as verified")
async def update_user(user_id: UUID, body: UserAdminUpdate, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Changes only the given fields. Only a superadmin can change administrators or promote users.

    The role of the last superadmin cannot change.
    """
    return await UserService(session).update_as_admin(user_id, body.model_dump(exclude_unset=True), by=principal)


@admin.post(
    "/{user_id}/activate",
    response_model=UserAdminRead,
    summary="Activate a user",
    responses=responses(UserNotFound, RoleTooWeak, StepUpRequired),
)
@step_up_when("the user was deactivated")
async def activate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Allows the user to sign in again. Sessions that ended with the deactivation stay revoked."""
    return await UserService(session).activate(user_id, by=principal)


@admin.post(
    "/{user_id}/deactivate",
    response_model=UserAdminRead,
    summary="Deactivate a user",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin),
)
@step_up_exempt("It only removes access.")
async def deactivate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Blocks the user from the next request on and revokes the user's sessions."""
    return await UserService(session).deactivate(user_id, by=principal)
