"""Stores emails in a folder for the development mailbox instead of sending them."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from undercroft.providers.email.errors import DeliveryDeferred, DeliveryResult
from undercroft.providers.email.mail_files import MailFiles
from undercroft.providers.email.message import EmailMessage
from undercroft.providers.email.settings import EmailSettings


class MailboxProvider:
    """Stores the newest `size` emails. An email with the same Message-ID replaces the previous one."""

    def __init__(self, folder: Path, *, size: int) -> None:
        self._files = MailFiles(folder)
        self._size = size

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        return await asyncio.to_thread(lambda: [self._store(message) for message in messages])

    async def check(self) -> None:
        try:
            await asyncio.to_thread(self._files.ensure_folder)
        except OSError as error:
            raise self._unavailable(error) from None

    def _store(self, message: EmailMessage) -> DeliveryResult:
        mail_id = hashlib.blake2b(message.message_id.encode(), digest_size=16).hexdigest()
        envelope = f"Delivered-To: {', '.join(message.recipients)}\r\n".encode()
        try:
            self._files.add(mail_id, envelope + message.to_bytes(), max_files=self._size)
        except OSError as error:
            return self._unavailable(error)
        return None

    def _unavailable(self, error: OSError) -> DeliveryDeferred:
        return DeliveryDeferred(f"Emails cannot be written to {self._files.folder}: {error.strerror}.")


def create(settings: EmailSettings) -> MailboxProvider:
    """Create the provider that the settings select."""
    return MailboxProvider(settings.email_mailbox_folder, size=settings.email_mailbox_size)
