"""Emails sent by jobs: the mail server's reply decides whether the job is retried."""

from collections.abc import Iterator

import pytest

from tests.providers.email.conftest import make_message
from tests.providers.email.smtp_server import SmtpHandler, smtp_server
from undercroft.core import settings
from undercroft.core.db import Database
from undercroft.jobs import CurrentJob, enqueue, task
from undercroft.providers.email import EmailSettings, SmtpSecurity, get_mailer
from undercroft.testing import add_declarations
from undercroft.testing.jobs import CapturedJobs


@task(name="tests.send_one", retries=3, backoff=0.01)
async def send_one(job: CurrentJob, *, to: str) -> str:
    return await get_mailer().send_raw(make_message(to=to, message_id=f"<{job.id}@acme.example>"))


@task(name="tests.send_unknown_template", retries=3)
async def send_unknown_template() -> None:
    await get_mailer().send("ada@example.com", "no_such_template", {})


@pytest.fixture
def room() -> Iterator[SmtpHandler]:
    room = SmtpHandler()
    with smtp_server(room) as port:
        settings.use(
            EmailSettings(
                email_provider="smtp",
                smtp_host="127.0.0.1",
                smtp_port=port,
                smtp_security=SmtpSecurity.NONE,
            )
        )
        yield room


@pytest.fixture(autouse=True)
def declared_tasks() -> Iterator[None]:
    with add_declarations(send_one, send_unknown_template):
        yield


async def run(database: Database, jobs: CapturedJobs, job, **arguments: str):
    async with database.session() as session:
        made = await enqueue(session, job, **arguments)
    await jobs.run_all(future=True)
    return await jobs.get(made.id)


async def test_accepted_email_ends_the_job(database: Database, jobs: CapturedJobs, room: SmtpHandler) -> None:
    row = await run(database, jobs, send_one, to="ada@example.com")

    assert (row.status, row.attempts, row.result) == ("succeeded", 1, f"<{row.id}@acme.example>")
    assert len(room.received) == 1


async def test_permanent_rejection_fails_the_job_immediately(
    database: Database, jobs: CapturedJobs, room: SmtpHandler
) -> None:
    room.replies["RCPT ada@example.com"] = "550 no such user"

    row = await run(database, jobs, send_one, to="ada@example.com")

    assert (row.status, row.attempts) == ("failed", 1)
    assert "DeliveryRefused: The mail server responded 550 no such user" in (row.error or "")


async def test_invalid_email_fails_the_job_immediately(database: Database, jobs: CapturedJobs) -> None:
    row = await run(database, jobs, send_unknown_template)

    assert (row.status, row.attempts) == ("failed", 1)
    assert "no_such_template" in (row.error or "")


async def test_temporary_rejection_is_retried(database: Database, jobs: CapturedJobs, room: SmtpHandler) -> None:
    room.replies["RCPT ada@example.com"] = "450 mailbox busy"

    row = await run(database, jobs, send_one, to="ada@example.com")

    assert (row.status, row.attempts) == ("failed", 4)
    assert "DeliveryDeferred" in (row.error or "")


async def test_lost_connection_is_retried_until_the_email_is_accepted_once(
    database: Database, jobs: CapturedJobs, room: SmtpHandler
) -> None:
    room.dropped_connections = 2

    row = await run(database, jobs, send_one, to="ada@example.com")

    assert (row.status, row.attempts) == ("succeeded", 3)
    assert len(room.received) == 1
