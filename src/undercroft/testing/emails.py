"""Emails that a test sent."""

import asyncio
import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from undercroft.testing.jobs import CapturedJobs

_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


@dataclass(frozen=True)
class Email:
    """An email: its addresses, its subject and both of its bodies. `message` has all headers."""

    id: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    message: EmailMessage = field(repr=False, compare=False)

    @property
    def links(self) -> list[str]:
        """The links of the text, in their order."""
        return _LINK.findall(self.text)

    @property
    def token(self) -> str:
        """The token of the first link that has one. Raises `LookupError` if there is none."""
        for link in self.links:
            if found := parse_qs(urlsplit(link).query).get("token"):
                return found[0]
        raise LookupError(f"No link of the email {self.subject!r} has a token: {self.links}")


class Mailbox:
    """The emails of the test, of all recipients. Reading it first runs all jobs, because jobs send the emails.

    async def test_user_gets_a_link(client: AsyncClient, mailbox: Mailbox) -> None:
        body = {"email": "ada@example.com", "password": "three otters in a boat"}
        await client.post("/api/v1/auth/register", json=body)
        email = await mailbox.latest("ada@example.com")
        assert email.token in email.links[0]
        assert await mailbox.list_new() == []
    """

    def __init__(self, folder: Path, jobs: CapturedJobs) -> None:
        self.folder = folder
        self.jobs = jobs
        self._seen: set[str] = set()

    async def list_new(self, to: str | None = None) -> list[Email]:
        """Return the emails since the last call, of one recipient if given, oldest first.

        Delayed jobs run as well, and failing ones until their last attempt.
        """
        await self.jobs.run_all(future=True)
        return await asyncio.to_thread(self._read, to)

    async def latest(self, to: str) -> Email:
        """Return the latest new email to a recipient. Raises `AssertionError` if there is none."""
        emails = await self.list_new(to)
        assert emails, f"There is no new email to {to}."
        return emails[-1]

    def _read(self, to: str | None) -> list[Email]:
        emails = []
        for path in sorted(self.folder.rglob("*.eml")):
            if path.name in self._seen:
                continue
            email = _parse(path)
            if to is None or email.to == to:
                self._seen.add(path.name)
                emails.append(email)
        return sorted(emails, key=lambda each: each.id)


def _parse(path: Path) -> Email:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    return Email(
        str(message["Message-ID"]),
        str(message["To"]),
        str(message["From"]),
        str(message["Subject"]),
        text.get_content() if text else "",
        html.get_content() if html else "",
        message,
    )
