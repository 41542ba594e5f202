"""An entry is stored in the transaction of the change, with actor and origin."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select, text

from tests.factories import add_user
from tests.modules.audit.entries import entries, personal_rows
from undercroft.core.audit import Actor, ActorKind, Entry, record, use_actor, write_one
from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import DatabaseConflict
from undercroft.core.ids import new_id
from undercroft.modules.teams import Team, create_team
from undercroft.testing.users import SignedInUser

FAILS_AT_COMMIT = """
    CREATE TEMPORARY TABLE doomed (id int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP;
    INSERT INTO doomed VALUES (1), (1)
"""

CreateUser = Callable[..., Awaitable[SignedInUser]]


async def test_entry_records_actor_action_and_origin(
    client: AsyncClient, create_user: CreateUser, database: Database
) -> None:
    person = await create_user()
    response = await person.client.post("/api/v1/app/teams", json={"name": "Acme"}, headers={"User-Agent": "Firefox"})
    (entry,) = await entries(database, action="team.created")
    assert (entry["actor_kind"], entry["user_id"]) == ("user", person.user_id)
    assert entry["session_id"] is not None
    assert str(entry["target_id"]) == str(entry["team_id"]) == response.json()["id"]
    assert entry["request_id"] == response.headers["x-request-id"]
    texts, origin = await personal_rows(database, entry)
    assert (texts["person_id"], texts["values"]["after"]["name"]) == (entry["team_id"], "Acme")
    assert origin["person_id"] == person.user_id
    assert origin["values"]["user_agent"] == "Firefox"
    assert origin["values"]["ip"]


async def test_rollback_leaves_no_entry(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.session() as session:
            await record(session, Entry("thing.made"))
            raise LookupError
    assert await entries(database) == []


async def test_failed_commit_leaves_neither_change_nor_entry(client: AsyncClient, database: Database) -> None:
    """A constraint checked at the commit rolls back the entry together with the change."""
    with pytest.raises(DatabaseConflict):
        async with database.session() as session:
            await create_team(session, name="Acme", owner_id=(await add_user(session)).user_id)
            await record(session, Entry("team.created"))
            await (await session.raw()).execute(FAILS_AT_COMMIT)
    assert await entries(database) == []
    async with database.read_session() as session:
        assert await session.scalar(select(func.count()).select_from(Team)) == 0


async def test_statement_without_changes_leaves_no_entry(database: Database) -> None:
    update = Statement(text("UPDATE teams SET name = :name WHERE id = CAST(:id AS uuid) RETURNING id"))
    async with database.session() as session:
        await write_one(session, update, Entry("team.changed"), name="x", id=new_id())
    assert await entries(database) == []


async def test_jobs_and_commands_are_recorded_as_actors(database: Database) -> None:
    job_id = new_id()
    for actor in (Actor(ActorKind.JOB, job_id=job_id), Actor(ActorKind.COMMAND)):
        with use_actor(actor):
            async with database.session() as session:
                await record(session, Entry("thing.made", actor_id=new_id()))
    first, second = await entries(database)
    assert (first["actor_kind"], first["job_id"], first["user_id"]) == ("job", job_id, None)
    assert (second["actor_kind"], second["user_id"]) == ("command", None)


async def test_personal_values_are_stored_separately_and_secrets_are_not_stored(database: Database) -> None:
    person_id = new_id()
    secrets: dict[str, Any] = {
        "password": "p1",
        "access_token": "p2",
        "password_hash": "p3",
        "nested": {"secret": "p4"},
    }
    async with database.session() as session:
        before, after = {"email": "old@example.com", "role": "user"}, {"email": "new@example.com", "role": "admin"}
        await record(
            session,
            Entry("user.changed", None, "user", person_id, before=before, after=after, details=secrets),
        )
    (entry,) = await entries(database)
    (fields,) = await personal_rows(database, entry)
    assert "example.com" not in str(dict(entry))
    assert (entry["before"]["role"], entry["after"]["role"]) == ("user", "admin")
    assert fields["person_id"] == person_id
    assert fields["values"] == {"before": {"email": "old@example.com"}, "after": {"email": "new@example.com"}}
    assert not any(secret in str(dict(entry)) + str(dict(fields)) for secret in ("p1", "p2", "p3", "p4"))
