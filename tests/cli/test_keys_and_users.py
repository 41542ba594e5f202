"""`undercroft keys` and `undercroft user`."""

import pytest
from typer.testing import CliRunner

from undercroft.cli import keys, user
from undercroft.core.db import Database
from undercroft.core.errors import AppError, ConfigurationError
from undercroft.modules.sessions.service.signing_keys import SigningKeyService

PASSWORD = "three otters in a boat"
run = CliRunner().invoke


def test_keys_secret_prints_long_unique_values() -> None:
    secrets = {run(keys.app, ["secret"]).stdout.strip() for _ in range(5)}
    assert len(secrets) == 5
    assert {len(secret) for secret in secrets} == {64}


@pytest.fixture
async def signing_keys(database: Database) -> None:
    """Create signing keys with the current time as their creation time."""
    await SigningKeyService(database).ensure()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_signing_keys SET created_at = now()")


def test_keys_rotate_reports_the_waiting_time_when_it_is_too_early(signing_keys: None, database: Database) -> None:
    listed = run(keys.app, ["list"], env={"COLUMNS": "200"}).stdout
    assert "active" in listed
    assert "next" in listed
    early = run(keys.app, ["rotate"])
    assert isinstance(early.exception, ConfigurationError)
    assert "seconds" in str(early.exception)
    assert "is the active key" in run(keys.app, ["rotate", "--early"]).stdout
    assert "retired" in run(keys.app, ["list"], env={"COLUMNS": "200"}).stdout


def test_create_admin_promotes_an_existing_user_without_a_new_password(database: Database) -> None:
    made = run(user.app, ["create-admin", "Root@Example.com", "--password-stdin"], input=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert "Created the superadmin root@example.com" in made.stdout
    again = run(user.app, ["create-admin", "root@example.com"])
    assert again.exit_code == 0, again.output
    assert PASSWORD not in made.output + again.output


def test_set_password_changes_the_password_of_an_existing_user(database: Database) -> None:
    run(user.app, ["create-admin", "root@example.com", "--password-stdin"], input=f"{PASSWORD}\n")
    changed = run(user.app, ["set-password", "root@example.com", "--password-stdin"], input="another good sentence\n")
    assert changed.exit_code == 0, changed.output
    unknown = run(
        user.app, ["set-password", "unknown@example.com", "--password-stdin"], input="another good sentence\n"
    )
    assert isinstance(unknown.exception, AppError)


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["create-admin", "invalid", "--password-stdin"], PASSWORD),
        (["create-admin", "root@example.com"], ""),
        (["create-admin", "root@example.com", "--password-stdin"], "short"),
        (["create-admin", "root@example.com", "--password-stdin"], ""),
    ],
)
def test_user_command_reports_invalid_input(database: Database, arguments: list[str], typed: str) -> None:
    result = run(user.app, arguments, input=typed)
    assert isinstance(result.exception, AppError | ConfigurationError)
