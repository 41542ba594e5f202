"""Entries are logged completely after the commit, without personal values."""

import io
import json
from collections.abc import Iterator

import pytest
from httpx2 import AsyncClient

from tests.modules.audit.entries import entries, personal_rows
from undercroft.core import settings
from undercroft.core.audit import Entry, record
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.settings import TelemetrySettings


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    settings.use(TelemetrySettings(log_format="json"))
    logs.configure(stream=stream)
    yield stream
    settings.use(TelemetrySettings())
    logs.configure()


def logged_entries(stream: io.StringIO) -> list[dict[str, object]]:
    logs.flush()
    return [line for line in map(json.loads, stream.getvalue().splitlines()) if line["category"] == "audit"]


@pytest.mark.requires_module("projects")
async def test_entry_is_logged_as_one_line_of_the_audit_category(user: AsyncClient, lines: io.StringIO) -> None:
    response = await user.post("/api/v1/app/projects", json={"name": "Website"})
    (line,) = logged_entries(lines)
    assert (line["event"], line["logger"], line["level"]) == ("project.created", "undercroft.audit", "info")
    assert (line["actor_kind"], line["target_id"]) == ("user", response.json()["id"])
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["after"] == {"name": "[personal]", "description": "", "status": "active"}
    assert "Website" not in json.dumps(line)
    assert "python-httpx" not in json.dumps(line)
    assert "192.0.2.1" not in json.dumps(line)


async def test_rolled_back_entry_is_not_logged(database: Database, lines: io.StringIO) -> None:
    with pytest.raises(LookupError):
        async with database.session() as session:
            await record(session, Entry("thing.made"))
            raise LookupError
    assert logged_entries(lines) == []


async def test_log_contains_no_address_or_secret(database: Database, lines: io.StringIO) -> None:
    after = {"email": "ada@example.com", "note": "ask ada@example.com", "token": "t0", "url": "postgresql://a:b@h/d"}
    async with database.session() as session:
        await record(session, Entry("user.changed", None, "user", new_id(), after=after))
    (line,) = logged_entries(lines)
    assert line["event"] == "user.changed"
    assert not any(secret in json.dumps(line) for secret in ("ada@", "t0", "a:b"))


@pytest.mark.parametrize("name", ['quote" and \\', "line\nbreak", "läuft", '","personal":[{"x":"'])
async def test_log_contains_no_text_of_a_user(
    user: AsyncClient, lines: io.StringIO, database: Database, name: str
) -> None:
    async with database.session() as session:
        await record(session, Entry("thing.made", after={"name": name, "email": "ada@example.com"}))
    (line,) = logged_entries(lines)
    assert line["after"] == {"name": "[personal]", "email": "[personal]"}
    (entry,) = await entries(database, action="thing.made")
    assert [
        each["values"]["after"]["name"] for each in await personal_rows(database, entry) if each["part"] == "texts"
    ] == [name]


@pytest.mark.requires_module("projects")
async def test_unpaired_surrogate_is_refused_without_a_server_error(user: AsyncClient) -> None:
    response = await user.post(
        "/api/v1/app/projects", content=b'{"name": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
