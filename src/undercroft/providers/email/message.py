"""Email messages and their serialization (RFC 5322)."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage as MimeMessage
from email.utils import format_datetime

from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import InvalidMessage
from undercroft.providers.email.headers import require_encodable, require_header, require_one_line, text_line

SUBJECT_LENGTH = 500
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,253}>")
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An attached file. Raises `InvalidMessage` for a name with a path or control characters."""

    filename: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"

    def __post_init__(self) -> None:
        require_one_line(self.filename, "A file name")
        if not self.filename or len(self.filename) > 255 or set(self.filename) & set('/\\"'):
            raise InvalidMessage("A file name must have 1 to 255 characters, without quotes and slashes.")
        if not _CONTENT_TYPE.fullmatch(self.content_type):
            raise InvalidMessage(f"{self.content_type!r} is not a content type such as application/pdf.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailMessage:
    """A complete, validated email. Raises `InvalidMessage` for invalid content.

    `message_id` identifies the email permanently: use the same one for a retry, so that it does not count as a second
    email. `unsubscribe_url` adds the two headers for one-click unsubscribe (RFC 8058); the URL must accept POST.
    `bcc` appears in no header, and `template`, the name of the template, nowhere in the email.
    """

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    unsubscribe_url: str | None = None
    message_id: str = ""
    template: str = ""
    date: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if not self.message_id:
            object.__setattr__(self, "message_id", f"<{secrets.token_hex(16)}@{self.sender.domain}>")
        self._check_parts()
        for name, value in self.headers.items():
            require_header(name, value)
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise InvalidMessage(f"{self.message_id!r} is not a Message-ID such as <name@example.com>.")
        if self.unsubscribe_url is not None and not re.fullmatch(r"https?://[!-;=?-~]{1,800}", self.unsubscribe_url):
            raise InvalidMessage("`unsubscribe_url` must be an http or https URL in ASCII.")

    def _check_parts(self) -> None:
        if not self.recipients:
            raise InvalidMessage("An email must have at least one recipient.")
        require_one_line(self.subject, "The subject")
        if not 0 < len(self.subject) <= SUBJECT_LENGTH:
            raise InvalidMessage(f"The subject must have 1 to {SUBJECT_LENGTH} characters.")
        require_encodable(self.text, "The text")
        require_encodable(self.html or "", "The HTML")

    @property
    def recipients(self) -> list[str]:
        """The unique addresses of the envelope."""
        return list(dict.fromkeys(address.email for address in (*self.to, *self.cc, *self.bcc)))

    @property
    def needs_smtputf8(self) -> bool:
        return not all(address.email.isascii() for address in (self.sender, *self.to, *self.cc, *self.bcc))

    def to_bytes(self) -> bytes:
        """Serialize the email: CRLF lines of at most 998 octets, in ASCII except for non-ASCII addresses."""
        return "\r\n".join(self._header_lines()).encode() + b"\r\n" + self._body().as_bytes()

    def _header_lines(self) -> list[str]:
        addresses = {"From": (self.sender,), "To": self.to, "Cc": self.cc, "Reply-To": self.reply_to}
        listed = {name: ",\r\n ".join(each.header() for each in value) for name, value in addresses.items() if value}
        lines = [f"{name}: {value}" for name, value in listed.items()]
        lines += [text_line("Subject", self.subject), f"Date: {format_datetime(self.date)}"]
        lines += [f"Message-ID: {self.message_id}"]
        if self.unsubscribe_url:
            lines += [f"List-Unsubscribe: <{self.unsubscribe_url}>"]
            lines += ["List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
        return lines + [text_line(name, value) for name, value in self.headers.items()]

    def _body(self) -> MimeMessage:
        from email import policy

        body = MimeMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        body.set_content(self.text, charset="utf-8")
        if self.html is not None:
            body.add_alternative(self.html, subtype="html", charset="utf-8")
        for attachment in self.attachments:
            maintype, _, subtype = attachment.content_type.partition("/")
            body.add_attachment(attachment.content, maintype, subtype, filename=attachment.filename)
        return body
