"""Keeps mails as files in a folder, where the mailbox page shows them; nothing leaves the machine.

A file is written beside its place and renamed into it, so that a reader never sees half of one and several processes
can write at once. Names sort by time: `<nanoseconds>-<id>.eml`. The same Message-ID again replaces the earlier file.
"""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from undercroft.providers.email.errors import DeliveryDeferred
from undercroft.providers.email.message import Message
from undercroft.providers.email.protocol import Outcome

STALE_SECONDS = 60


class MailboxProvider:
    """Writes into a folder and keeps the newest `size` mails there."""

    def __init__(self, folder: Path, *, size: int) -> None:
        self._folder = folder
        self._size = size

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        return await asyncio.to_thread(lambda: [self._keep(message) for message in messages])

    def _keep(self, message: Message) -> Outcome:
        try:
            self._write(message)
            self._prune()
        except OSError as error:
            return DeliveryDeferred(f"The mail could not be written to {self._folder}: {error.strerror}.")
        return None

    def _write(self, message: Message) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mail_id = hashlib.blake2b(message.message_id.encode(), digest_size=16).hexdigest()
        earlier = list(self._folder.glob(f"*-{mail_id}.eml"))
        half = self._folder / f".{secrets.token_hex(16)}.part"
        with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(f"Delivered-To: {', '.join(message.recipients)}\r\n".encode())
            file.write(message.to_bytes())
        half.rename(self._folder / f"{time.time_ns():020d}-{mail_id}.eml")
        for path in earlier:
            path.unlink(missing_ok=True)

    def _prune(self) -> None:
        for path in sorted(self._folder.glob("*.eml"))[: -self._size]:
            path.unlink(missing_ok=True)
        for path in self._folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - STALE_SECONDS:
                    path.unlink()
