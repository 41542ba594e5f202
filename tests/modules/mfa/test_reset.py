"""The way out for those who have lost everything: a superadmin, or a command."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlmodel import col
from typer.testing import CliRunner

from tests.modules.auth.people import Mailbox, code_of, sign_in
from tests.modules.mfa.conftest import Guarded
from undercroft.cli import user as user_command
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.errors import AppError
from undercroft.modules.auth.models import AuthSession
from undercroft.testing.people import Person as SignedIn

SignIn = Callable[..., Awaitable[SignedIn]]


async def path_of(guarded: Guarded) -> str:
    return f"/api/v1/admin/users/{(await guarded.person.get('/app/users/me')).json()['id']}/mfa/reset"


async def test_a_superadmin_turns_it_off_and_the_person_is_told(
    guarded: Guarded, somebody: SignIn, mailbox: Mailbox
) -> None:
    await mailbox.arrived()
    root = await somebody(role=PlatformRole.SUPERADMIN)
    token, path = await guarded.token(), await path_of(guarded)
    assert (await root.client.post(path)).status_code == 204
    assert "was reset" in (await mailbox.latest(guarded.person.email)).subject
    assert (await sign_in(guarded.person.http, guarded.person.email)).status_code == 200
    assert code_of(await guarded.verify(token, code=guarded.app.code())) == "MFA_TOKEN_INVALID"
    assert (await mailbox.latest(guarded.person.email)).subject.startswith("New sign-in"), "no device is known any more"
    assert (await root.client.post(path)).status_code == 204
    assert await mailbox.arrived(guarded.person.email) == []


async def test_reset_revokes_the_users_sessions_and_no_others(guarded: Guarded, somebody: SignIn) -> None:
    root, bystander = await somebody(role=PlatformRole.SUPERADMIN), await somebody()
    assert (await root.client.post(await path_of(guarded))).status_code == 204
    assert (await guarded.person.get("/app/users/me")).status_code == 401
    for other in (root, bystander):
        assert (await other.client.get("/api/v1/app/users/me")).status_code == 200


async def test_nobody_else_does(guarded: Guarded, somebody: SignIn, database: Database) -> None:
    path = await path_of(guarded)
    for role in (PlatformRole.USER, PlatformRole.ADMIN):
        refused = await (await somebody(role=role)).client.post(path)
        assert (refused.status_code, code_of(refused)) == (403, "PERMISSION_DENIED")
    root = await somebody(role=PlatformRole.SUPERADMIN)
    async with database.session() as session:
        query = update(AuthSession).where(col(AuthSession.user_id) == root.user_id)
        await session.execute(query.values(proven_at=None))
    stale = await root.client.post(path)
    assert (stale.status_code, code_of(stale)) == (403, "STEP_UP_REQUIRED")
    assert (await guarded.person.get("/auth/mfa")).json()["enabled"] is True


async def test_an_unknown_person_is_not_found(somebody: SignIn) -> None:
    root = await somebody(role=PlatformRole.SUPERADMIN)
    answer = await root.client.post(f"/api/v1/admin/users/{uuid4()}/mfa/reset")
    assert (answer.status_code, code_of(answer)) == (404, "USER_NOT_FOUND")


@pytest.fixture
def email(guarded: Guarded) -> str:
    return guarded.person.email


def test_a_command_turns_it_off(email: str) -> None:
    run = CliRunner().invoke
    assert f"of {email} is off" in run(user_command.app, ["mfa-reset", email]).stdout
    assert "has no second factor" in run(user_command.app, ["mfa-reset", email]).stdout
    assert isinstance(run(user_command.app, ["mfa-reset", "nobody@example.com"]).exception, AppError)
