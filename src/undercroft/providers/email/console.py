"""Prints emails to the terminal instead of sending them, for development."""

import sys
from collections.abc import Sequence
from typing import TextIO

from undercroft.providers.email.errors import DeliveryResult
from undercroft.providers.email.message import EmailMessage
from undercroft.providers.email.settings import EmailSettings

RULE = "─" * 72


class ConsoleProvider:
    """Writes the text part of emails to `stream`, by default standard error."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        for message in messages:
            stream = self._stream or sys.stderr
            stream.write(_as_text(message))
            stream.flush()
        return [None for _ in messages]

    async def check(self) -> None:
        """Do nothing: the console is always available."""


def _as_text(message: EmailMessage) -> str:
    recipients = ", ".join(map(str, (*message.to, *message.cc, *message.bcc)))
    attachments = "".join(f"Attached: {attachment.filename}\n" for attachment in message.attachments)
    return (
        f"{RULE}\nTo: {recipients}\nSubject: {message.subject}\n"
        f"Message-ID: {message.message_id}\n{attachments}\n{message.text.rstrip()}\n{RULE}\n"
    )


def create(_settings: EmailSettings) -> ConsoleProvider:
    """Create the provider that the settings select."""
    return ConsoleProvider()
