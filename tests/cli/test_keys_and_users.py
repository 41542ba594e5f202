"""`undercroft keys` and `undercroft user`."""

import pytest
from typer.testing import CliRunner

from undercroft.cli import keys, user
from undercroft.core.db import Database
from undercroft.core.errors import AppError, ConfigurationError
from undercroft.modules.auth.signing_keys import SigningKeys

PASSWORD = "three otters in a boat"
run = CliRunner().invoke


def test_a_secret_is_long_and_never_comes_twice() -> None:
    secrets = {run(keys.app, ["secret"]).stdout.strip() for _ in range(5)}
    assert len(secrets) == 5
    assert {len(secret) for secret in secrets} == {64}


@pytest.fixture
async def signing_keys(database: Database) -> None:
    """As if they had been made just now, however long the test run has gone on."""
    await SigningKeys(database).ensure()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_signing_keys SET created_at = now()")


def test_keys_are_listed_and_rotated_and_too_early_a_rotation_says_how_long_to_wait(
    signing_keys: None, database: Database
) -> None:
    listed = run(keys.app, ["list"], env={"COLUMNS": "200"}).stdout
    assert "active" in listed
    assert "next" in listed
    early = run(keys.app, ["rotate"])
    assert isinstance(early.exception, ConfigurationError)
    assert "seconds" in str(early.exception)
    assert "signs now" in run(keys.app, ["rotate", "--early"]).stdout
    assert "retired" in run(keys.app, ["list"], env={"COLUMNS": "200"}).stdout


def test_a_superadmin_is_made_once_and_keeps_the_password(database: Database) -> None:
    made = run(user.app, ["create-admin", "Root@Example.com", "--password-stdin"], input=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert "root@example.com is a superadmin" in made.stdout
    again = run(user.app, ["create-admin", "root@example.com"])
    assert again.exit_code == 0, again.output
    assert PASSWORD not in made.output + again.output


def test_a_password_is_set_from_outside(database: Database) -> None:
    run(user.app, ["create-admin", "root@example.com", "--password-stdin"], input=f"{PASSWORD}\n")
    changed = run(user.app, ["set-password", "root@example.com", "--password-stdin"], input="another good sentence\n")
    assert changed.exit_code == 0, changed.output
    unknown = run(user.app, ["set-password", "nobody@example.com", "--password-stdin"], input="another good sentence\n")
    assert isinstance(unknown.exception, AppError)


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["create-admin", "nobody", "--password-stdin"], PASSWORD),
        (["create-admin", "root@example.com"], ""),
        (["create-admin", "root@example.com", "--password-stdin"], "short"),
        (["create-admin", "root@example.com", "--password-stdin"], ""),
    ],
)
def test_what_cannot_be_done_is_said_for_people(database: Database, arguments: list[str], typed: str) -> None:
    result = run(user.app, arguments, input=typed)
    assert isinstance(result.exception, AppError | ConfigurationError)
