"""Oneself, and people for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from undercroft.core.auth import CurrentPrincipal, PlatformRole, Router
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http.errors import responses
from undercroft.core.http.tags import Tag
from undercroft.modules.users.errors import LastSuperadmin, RoleTooWeak, UserNotFound
from undercroft.modules.users.models import User
from undercroft.modules.users.profile import encode_profile
from undercroft.modules.users.schemas import UserAdminPage, UserAdminRead, UserAdminUpdate, UserRead, UserUpdate
from undercroft.modules.users.service import UserDirectory, UserService

PROFILE = Tag("Profile", "Who one is.", group="Account")
USERS = Tag("Users", "People, for administrators.", group="Administration")

me = Router(surface="app", prefix="/users", tag=PROFILE)
admin = Router(surface="admin", prefix="/users", tag=USERS)


@me.get("/me", response_model=UserRead, summary="Read one's own profile")
async def read_profile(principal: CurrentPrincipal) -> Response:
    """Costs no statement beyond the one that authenticates."""
    return Response(encode_profile(principal.subject), media_type="application/json")


@me.patch("/me", response_model=UserRead, summary="Change one's own profile")
async def update_profile(body: UserUpdate, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Only the fields that are given are changed. The address and the password have routes of their own."""
    return await UserService(session).update_profile(principal.user_id, body.model_dump(exclude_unset=True))


@admin.get("", response_model=UserAdminPage, summary="List people", responses=responses(UnknownSort))
async def list_users(
    session: ReadSessionDep,
    q: Annotated[str | None, Query(max_length=200, description="Part of an address or a name.")] = None,
    role: Annotated[PlatformRole | None, Query()] = None,
    is_active: Annotated[bool | None, Query()] = None,
    sort: Annotated[
        str | None, Query(max_length=50, description="created_at, email or full_name; with - before it, descending.")
    ] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> UserAdminPage:
    found = await UserDirectory(session).list(q=q, role=role, is_active=is_active, sort=sort, page=page, size=size)
    items = [UserAdminRead.model_validate(user) for user in found.items]
    return UserAdminPage(items=items, total=found.total, page=page, size=size, pages=-(-found.total // size))


@admin.get("/{user_id}", response_model=UserAdminRead, summary="Read a person", responses=responses(UserNotFound))
async def read_user(user_id: UUID, session: ReadSessionDep) -> User:
    return await UserDirectory(session).get(user_id)


@admin.patch(
    "/{user_id}",
    response_model=UserAdminRead,
    summary="Change a person",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin),
)
async def update_user(user_id: UUID, body: UserAdminUpdate, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Only a superadmin changes administrators or makes somebody one. The last superadmin stays one."""
    return await UserService(session).administer(user_id, body.model_dump(exclude_unset=True), by=principal)


@admin.post(
    "/{user_id}/activate",
    response_model=UserAdminRead,
    summary="Let a person in again",
    responses=responses(UserNotFound, RoleTooWeak),
)
async def activate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """Sessions that ended stay ended: the person signs in anew."""
    return await UserService(session).activate(user_id, by=principal)


@admin.post(
    "/{user_id}/deactivate",
    response_model=UserAdminRead,
    summary="Keep a person out",
    responses=responses(UserNotFound, RoleTooWeak, LastSuperadmin),
)
async def deactivate_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> User:
    """From the next request on, on every process."""
    return await UserService(session).deactivate(user_id, by=principal)
