"""Hooks of outgoing emails."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.providers.email.conftest import parse
from undercroft.core.db import Database, Session
from undercroft.core.errors import Conflict
from undercroft.core.hooks import before
from undercroft.core.settings import load
from undercroft.jobs import JobStatus, enqueue, task
from undercroft.providers.email import (
    Address,
    DeliveryDeferred,
    DeliveryRefused,
    EmailSettings,
    InvalidMessage,
    OutgoingEmail,
    get_mailer,
)
from undercroft.testing import CapturedJobs, add_declarations

pytestmark = pytest.mark.usefixtures("app")
VERIFY = {"link": "https://acme.example/v?token=abc", "requested": "3 May 2026 at 10:00 UTC", "expires_in": "24 hours"}


def mails() -> list[Any]:
    folder = load(EmailSettings).email_mailbox_folder
    return [parse(path.read_bytes()) for path in sorted(folder.glob("*.eml"))]


class Bounced(Conflict):
    code = "BOUNCED"
    message = "This address bounced before."


async def send() -> str:
    return await get_mailer().send("ada@example.com", "auth/verify", VERIFY)


async def test_hook_amends_an_email_and_knows_its_template() -> None:
    templates = []

    @before(OutgoingEmail)
    async def tag(_session: Session, email: OutgoingEmail) -> OutgoingEmail:
        templates.append(email.template)
        return replace(email, subject=f"[test] {email.subject}", headers={**email.headers, "X-Tag": "a"})

    with add_declarations(tag):
        message_id = await send()
    (email,) = mails()
    assert templates == ["auth/verify"]
    assert (email["Subject"].startswith("[test] Confirm"), email["X-Tag"]) == (True, "a")
    assert (email["Message-ID"], email["Auto-Submitted"]) == (message_id, "auto-generated")


async def reject(_session: Session, _email: OutgoingEmail) -> None:
    raise Bounced


async def fail(_session: Session, _email: OutgoingEmail) -> None:
    raise ZeroDivisionError


async def inject(_session: Session, email: OutgoingEmail) -> OutgoingEmail:
    return replace(email, subject="a\r\nBcc: eve@example.com")


async def redirect(_session: Session, email: OutgoingEmail) -> OutgoingEmail:
    return replace(email, to=(Address("eve@example.com"),))


@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (reject, DeliveryRefused, "BOUNCED: This address bounced before"),
        (fail, DeliveryDeferred, "HOOK_FAILED"),
        (redirect, DeliveryDeferred, "HOOK_FAILED"),
        (inject, InvalidMessage, "subject"),
    ],
    ids=["reject", "fail", "redirect", "inject"],
)
async def test_refused_email_is_not_sent(hook: Any, error: type[Exception], message: str) -> None:
    with add_declarations(before(OutgoingEmail)(hook)), pytest.raises(error, match=message):
        await send()
    assert mails() == []


@task(name="tests.send", retries=2)
async def send_in_job() -> None:
    await send()


@pytest.mark.parametrize(("hook", "attempts"), [(reject, 1), (fail, 3)], ids=["reject", "fail"])
async def test_job_of_a_rejected_email_fails_and_is_retried_only_after_an_unexpected_error(
    database: Database, jobs: CapturedJobs, hook: Any, attempts: int
) -> None:
    with add_declarations(before(OutgoingEmail)(hook), send_in_job):
        async with database.session() as session:
            job = await enqueue(session, send_in_job)
        await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == (JobStatus.FAILED, attempts)


async def test_one_rejected_email_does_not_stop_the_others() -> None:
    @before(OutgoingEmail)
    async def reject_bob(_session: Session, email: OutgoingEmail) -> None:
        if email.to == (Address("bob@example.com"),):
            raise Bounced

    mailer = get_mailer()
    messages = [await mailer.compose(f"{name}@example.com", "auth/verify", VERIFY) for name in ("ada", "bob", "cy")]
    with add_declarations(reject_bob):
        outcomes = await mailer.send_bulk(messages)
    assert [type(outcome) for outcome in outcomes] == [type(None), DeliveryRefused, type(None)]
    assert sorted(email["To"] for email in mails()) == ["ada@example.com", "cy@example.com"]
