"""Reset of second factors by a superadmin and by a command."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlmodel import col
from typer.testing import CliRunner

from tests.modules.auth.users import Mailbox, error_code, sign_in
from tests.modules.mfa.conftest import MfaUser
from undercroft.cli._database import with_database
from undercroft.core.auth import PlatformRole
from undercroft.core.commands import DatabaseRunner
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.errors import AppError
from undercroft.modules.mfa import commands as mfa_commands
from undercroft.modules.sessions.models import AuthSession
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


async def path_of(mfa_user: MfaUser) -> str:
    return f"/api/v1/admin/users/{(await mfa_user.user.get('/app/users/me')).json()['id']}/mfa/reset"


async def test_mfa_reset_by_a_superadmin_turns_it_off_and_notifies_the_user(
    mfa_user: MfaUser, create_user: CreateUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    root = await create_user(role=PlatformRole.SUPERADMIN)
    token, path = await mfa_user.token(), await path_of(mfa_user)
    assert (await root.client.post(path)).status_code == 204
    assert "was reset" in (await mailbox.latest(mfa_user.user.email)).subject
    assert (await sign_in(mfa_user.user.http, mfa_user.user.email)).status_code == 200
    assert error_code(await mfa_user.verify(token, code=mfa_user.app.code())) == "MFA_TOKEN_INVALID"
    assert (await mailbox.latest(mfa_user.user.email)).subject.startswith("New sign-in"), "no device is known any more"
    assert (await root.client.post(path)).status_code == 204
    assert await mailbox.list_new(mfa_user.user.email) == []


async def test_reset_revokes_the_users_sessions_and_no_others(mfa_user: MfaUser, create_user: CreateUser) -> None:
    root, bystander = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    assert (await root.client.post(await path_of(mfa_user))).status_code == 204
    assert (await mfa_user.user.get("/app/users/me")).status_code == 401
    for other in (root, bystander):
        assert (await other.client.get("/api/v1/app/users/me")).status_code == 200


async def test_mfa_reset_is_refused_without_the_superadmin_role_or_reauthentication(
    mfa_user: MfaUser, create_user: CreateUser, database: Database
) -> None:
    path = await path_of(mfa_user)
    for role in (PlatformRole.USER, PlatformRole.ADMIN):
        refused = await (await create_user(role=role)).client.post(path)
        assert (refused.status_code, error_code(refused)) == (403, "PERMISSION_DENIED")
    root = await create_user(role=PlatformRole.SUPERADMIN)
    async with database.session() as session:
        query = update(AuthSession).where(col(AuthSession.user_id) == root.user_id)
        await session.execute(query.values(reauthenticated_at=None))
    stale = await root.client.post(path)
    assert (stale.status_code, error_code(stale)) == (403, "STEP_UP_REQUIRED")
    assert (await mfa_user.user.get("/auth/mfa")).json()["enabled"] is True


async def test_mfa_reset_of_an_unknown_user_returns_not_found(create_user: CreateUser) -> None:
    root = await create_user(role=PlatformRole.SUPERADMIN)
    response = await root.client.post(f"/api/v1/admin/users/{uuid4()}/mfa/reset")
    assert (response.status_code, error_code(response)) == (404, "USER_NOT_FOUND")


@pytest.fixture
def email(mfa_user: MfaUser) -> str:
    return mfa_user.user.email


def test_mfa_reset_command_turns_it_off(email: str) -> None:
    current_context().add(DatabaseRunner, with_database)
    run = CliRunner().invoke
    assert f"Turned off two-factor authentication for {email}." in run(mfa_commands.app, ["reset", email]).stdout
    assert "has no second factor" in run(mfa_commands.app, ["reset", email]).stdout
    assert isinstance(run(mfa_commands.app, ["reset", "nobody@example.com"]).exception, AppError)
