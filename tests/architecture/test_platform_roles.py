"""Administrators cannot change users of their own rank or above, by any route."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import update
from sqlmodel import col

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.users import User
from undercroft.testing.users import SignedInUser

USER = "/api/v1/admin/users/{user_id}"
BODIES: dict[str, Any] = {f"PATCH {USER}": {"full_name": "Changed"}, f"POST {USER}/impersonate": {"reason": "Ticket 1"}}
OTHER_ERRORS = {f"POST {USER}/impersonate": "IMPERSONATION_NOT_ALLOWED", f"POST {USER}/mfa/reset": "PERMISSION_DENIED"}


def list_changes(app: Api) -> list[str]:
    """All operations that change the user in their path, as method and path."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.path.startswith(USER)]
    return [
        f"{method} {route.path}" for route in routes for method in route.methods or () if method not in ("GET", "HEAD")
    ]


async def session_id_of(user: SignedInUser) -> str:
    (session,) = (await user.client.get("/api/v1/auth/sessions")).json()["items"]
    return str(session["id"])


async def deactivate(database: Database, user_id: UUID) -> None:
    async with database.session() as session:
        await session.execute(update(User).where(col(User.id) == user_id).values(is_active=False))


@pytest.mark.parametrize("role", [PlatformRole.ADMIN, PlatformRole.SUPERADMIN])
@pytest.mark.parametrize("is_active", [True, False])
async def test_administrator_cannot_change_a_user_of_the_same_or_a_higher_rank(
    app: Api, database: Database, create_user: Any, role: PlatformRole, is_active: bool
) -> None:
    admin, target = await create_user(role=PlatformRole.ADMIN), await create_user(role=role)
    session_id = await session_id_of(target)
    if not is_active:
        await deactivate(database, target.user_id)
    operations = list_changes(app)
    assert len(operations) >= 6
    for operation in operations:
        method, _, path = operation.partition(" ")
        path = path.replace("{user_id}", str(target.user_id)).replace("{session_id}", session_id)
        response = await admin.client.request(method, path, json=BODIES.get(operation, {}))
        assert response.json()["error"]["code"] == OTHER_ERRORS.get(operation, "ROLE_TOO_WEAK"), operation
