"""Schemas of the mailbox API."""

from datetime import datetime

from pydantic import ConfigDict

from undercroft.core.validation import Schema


class MailRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    id: str
    to: str
    subject: str
    text: str
    html: str | None
    links: list[str]
    sent_at: datetime


class MailList(Schema):
    items: list[MailRead]
