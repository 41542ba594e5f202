"""Stored emails, parsed from their files."""

import re
from datetime import datetime
from email.message import EmailMessage
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

from msgspec import Struct

from undercroft.core.validation import normalize_email
from undercroft.providers.email.mail_files import MailFile

_LINK = re.compile(r"https?://[^\s<>\"']+")
_TRAILING_PUNCTUATION = ".,;:!?)]}"


class Mail(Struct, frozen=True):
    id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str | None
    attachments: tuple[str, ...]
    sent_at: datetime
    path: Path

    @property
    def to(self) -> str:
        return ", ".join(self.recipients)

    @property
    def links(self) -> list[str]:
        """The distinct URLs in the email: those of the text in order, then those found only in the HTML."""
        anchors = _AnchorParser()
        anchors.feed(self.html or "")
        return list(dict.fromkeys([*extract_links(self.text), *anchors.hrefs]))

    def matches_recipient(self, query: str) -> bool:
        """Whether a recipient matches: equal to a full address, or containing a partial one."""
        query = query.strip().replace(" ", "+").lower()  # an unescaped + in a query arrives as a space
        if query.partition("@")[0] and "@" in query:
            return _normalize_address(query) in self.recipients
        return any(query in recipient for recipient in self.recipients)


class _AnchorParser(HTMLParser):
    """Collects the HTTP URLs of the links, in document order."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        if target and target.startswith(("http://", "https://")):
            self.hrefs.append(target)


def extract_links(text: str) -> list[str]:
    return [found.rstrip(_TRAILING_PUNCTUATION) for found in _LINK.findall(text)]


@lru_cache(maxsize=2000)
def parse_mail(file: MailFile) -> Mail | None:
    """Parse the email in this file; None if the file was deleted. Files never change, so the result is cached."""
    from email import message_from_bytes, policy

    try:
        mail = message_from_bytes(file.path.read_bytes(), policy=policy.default)
    except FileNotFoundError:
        return None
    assert isinstance(mail, EmailMessage)
    recipients = tuple(_normalize_address(address) for address in str(mail["Delivered-To"] or "").split(", "))
    return Mail(
        id=file.id,
        sender=str(mail["From"] or ""),
        recipients=recipients,
        subject=str(mail["Subject"] or ""),
        text=_get_body(mail, "plain") or "",
        html=_get_body(mail, "html"),
        attachments=tuple(part.get_filename() or "unnamed" for part in mail.iter_attachments()),
        sent_at=file.stored_at,
        path=file.path,
    )


def _get_body(mail: EmailMessage, kind: str) -> str | None:
    body = mail.get_body((kind,))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else None


def _normalize_address(address: str) -> str:
    """Return the address as accounts store it; in messages the domain is in ASCII."""
    try:
        return normalize_email(address)
    except ValueError:
        return address.lower()
