"""The mailbox over HTTP."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class MailRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    to: str
    subject: str
    text: str
    html: str | None
    links: list[str]
    sent_at: datetime


class MailList(BaseModel):
    items: list[MailRead]
