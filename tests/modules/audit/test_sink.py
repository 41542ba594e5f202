"""An entry is kept in the transaction of the change, with who acted and from where."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient

from tests.modules.audit.entries import entries, personal
from undercroft.core.audit import Actor, ActorKind, Entry, acting_as, record
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.testing.people import Person

SignIn = Callable[..., Awaitable[Person]]


async def test_an_entry_says_who_did_what_from_where(client: AsyncClient, somebody: SignIn, database: Database) -> None:
    person = await somebody()
    answer = await person.client.post("/api/v1/app/teams", json={"name": "Acme"}, headers={"User-Agent": "Firefox"})
    (entry,) = await entries(database, action="team.created")
    assert (entry["actor_kind"], entry["user_id"]) == ("user", person.user_id)
    assert entry["session_id"] is not None
    assert str(entry["target_id"]) == str(entry["team_id"]) == answer.json()["id"]
    assert entry["request_id"] == answer.headers["x-request-id"]
    (origin,) = await personal(database, entry)
    assert origin["person_id"] == person.user_id
    assert origin["values"]["user_agent"] == "Firefox"
    assert origin["values"]["ip"]


async def test_what_is_rolled_back_leaves_no_entry(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.session() as session:
            await record(session, Entry("thing.made"))
            raise LookupError
    assert await entries(database) == []


async def test_a_job_and_a_command_are_named(database: Database) -> None:
    job_id = new_id()
    for actor in (Actor(ActorKind.JOB, job_id=job_id), Actor(ActorKind.COMMAND)):
        with acting_as(actor):
            async with database.session() as session:
                await record(session, Entry("thing.made", actor_id=new_id()))
    first, second = await entries(database)
    assert (first["actor_kind"], first["job_id"], first["user_id"]) == ("job", job_id, None)
    assert (second["actor_kind"], second["user_id"]) == ("command", None)


async def test_personal_values_are_kept_apart_and_secrets_nowhere(database: Database) -> None:
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
    (fields,) = await personal(database, entry)
    assert "example.com" not in str(dict(entry))
    assert (entry["before"]["role"], entry["after"]["role"]) == ("user", "admin")
    assert fields["person_id"] == person_id
    assert fields["values"] == {"before": {"email": "old@example.com"}, "after": {"email": "new@example.com"}}
    assert not any(secret in str(dict(entry)) + str(dict(fields)) for secret in ("p1", "p2", "p3", "p4"))
