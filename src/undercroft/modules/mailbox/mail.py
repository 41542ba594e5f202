"""One kept mail, read from its file."""

import re
from datetime import datetime
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from undercroft.core.validation import normalise_email
from undercroft.providers.email.mailfiles import MailFile

_LINK = re.compile(r"https?://[^\s<>\"']+")
_NOT_AT_THE_END = ".,;:!?)]}"


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
        """Every address of the web in it, each once: those of the text in their order, then those only in the HTML."""
        from undercroft.modules.mailbox.anchors import targets_in

        return list(dict.fromkeys([*links_in(self.text), *targets_in(self.html or "")]))

    def is_for(self, wanted: str) -> bool:
        """Whether a recipient is meant: a whole address is compared as such, less than one is searched for."""
        wanted = wanted.strip().replace(" ", "+").lower()  # an unescaped + in a query arrives as a blank
        if wanted.partition("@")[0] and "@" in wanted:
            return _spelling(wanted) in self.recipients
        return any(wanted in recipient for recipient in self.recipients)


def links_in(text: str) -> list[str]:
    return [found.rstrip(_NOT_AT_THE_END) for found in _LINK.findall(text)]


@lru_cache(maxsize=2000)
def read(file: MailFile) -> Mail | None:
    """The mail in this file; None when it is gone. Files never change, so each is read once."""
    from email import message_from_bytes, policy

    try:
        mail = message_from_bytes(file.path.read_bytes(), policy=policy.default)
    except FileNotFoundError:
        return None
    assert isinstance(mail, EmailMessage)
    recipients = tuple(_spelling(address) for address in str(mail["Delivered-To"] or "").split(", "))
    return Mail(
        id=file.id,
        sender=str(mail["From"] or ""),
        recipients=recipients,
        subject=str(mail["Subject"] or ""),
        text=_part(mail, "plain") or "",
        html=_part(mail, "html"),
        attachments=tuple(part.get_filename() or "unnamed" for part in mail.iter_attachments()),
        sent_at=file.kept_at,
        path=file.path,
    )


def _part(mail: EmailMessage, kind: str) -> str | None:
    body = mail.get_body((kind,))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else None


def _spelling(address: str) -> str:
    """As an account spells it: on the wire the domain is in ASCII."""
    try:
        return normalise_email(address)
    except ValueError:
        return address.lower()
