"""Routes of the current user, and user management for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, InvalidCursor, Page, Router, Tag, When
from undercroft.core.http.extended_schemas import extended
from undercroft.core.http.query import query
from undercroft.modules.users.errors import LastSuperadmin, RoleTooWeak, UserNotFound
from undercroft.modules.users.models import User
from undercroft.modules.users.schemas import (
    ProfileRead,
    UserAdminRead,
    UserAdminUpdate,
    UserQuery,
    UserUpdate,
    encode_profile,
)
from undercroft.modules.users.service import UserService

PROFILE = Tag("Profile", "The current user.", group="Account")
USERS = Tag("Users", "User management for administrators.", group="Administration")

me = Router(surface="app", prefix="/users", tag=PROFILE, team_independent=True)
admin = Router(surface="admin", prefix="/users", tag=USERS)


@me.get("/me", response_model=ProfileRead, summary="Get the current user")
async def read_profile(principal: CurrentPrincipal) -> Response:
    """Returns the profile of the current user."""
    return Response(encode_profile(principal.subject, principal.impersonator_id), media_type="application/json")


@me.patch(
    "/me",
    audit=Audit("user.profile_changed", none_when="nothing changed"),
    step_up=Exempt("A profile grants no access."),
    summary="Update the current user",
)
async def update_profile(body: UserUpdate, principal: CurrentPrincipal, session: SessionDep) -> ProfileRead:
    """Changes only the given fields. Other endpoints change the email address and the password."""
    user = await UserService(session).update_profile(principal.user_id, body.model_dump(exclude_unset=True))
    return extended(ProfileRead).model_validate(user).model_copy(update={"impersonated_by": principal.impersonator_id})


@admin.get("", summary="List users", errors=(UnknownSort, InvalidCursor))
async def list_users(query: Annotated[UserQuery, query(UserQuery)], session: ReadSessionDep) -> Page[UserAdminRead]:
    """Returns users, newest first; `q` matches parts of email addresses and names."""
    return Page.of(await UserService(session).list(query.filtered_paging), extended(UserAdminRead).model_validate)


@admin.get("/{user_id}", response_model=UserAdminRead, summary="Get a user", errors=(UserNotFound,))
async def read_user(user_id: UUID, session: ReadSessionDep) -> User:
    """Returns a user, active or not."""
    return await UserService(session).get(user_id)


@admin.patch(
    "/{user_id}",
    audit=Audit("user.changed", "user.role_changed", none_when="nothing changed"),
    step_up=When("the role changes or the email address is marked as verified"),
    response_model=UserAdminRead,
    summary="Update a user",
    errors=(UserNotFound, RoleTooWeak, LastSuperadmin, StepUpRequired),
)
async def update_user(user_id: UUID, body: UserAdminUpdate, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Changes only the given fields. Only a superadmin can change administrators or promote users.

    The role of the last superadmin cannot change.
    """
    return await UserService(session).update_as_admin(user_id, body.model_dump(exclude_unset=True), by=principal)


@admin.post(
    "/{user_id}/activate",
    audit=Audit("user.activated", none_when="nothing changed"),
    step_up=When("the user was deactivated"),
    response_model=UserAdminRead,
    summary="Activate a user",
    errors=(UserNotFound, RoleTooWeak, StepUpRequired),
)
async def activate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Allows the user to sign in again. Sessions that ended with the deactivation stay revoked."""
    return await UserService(session).activate(user_id, by=principal)


@admin.post(
    "/{user_id}/deactivate",
    audit=Audit("user.deactivated", repeatable=("team.domains_revoked",), none_when="nothing changed"),
    step_up=Exempt("It only removes access."),
    response_model=UserAdminRead,
    summary="Deactivate a user",
    errors=(UserNotFound, RoleTooWeak, LastSuperadmin),
)
async def deactivate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Blocks the user from the next request on and revokes the user's sessions."""
    return await UserService(session).deactivate(user_id, by=principal)
