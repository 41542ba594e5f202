"""A folder of emails, one file each, which several processes can read and write concurrently.

A file is written under a temporary name and then renamed, so that readers never see a partial file. File names sort by
time: `<nanoseconds since 1970>-<id>.eml`.
"""

import errno
import os
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

STALE_SECONDS = 60
"""Age in seconds after which a temporary file is deleted, because its writer must have died."""

_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{32})\.eml")


class MailFile(Struct, frozen=True):
    """A stored email, with the time and ID from its file name."""

    path: Path
    id: str
    nanoseconds: int

    @property
    def stored_at(self) -> datetime:
        return datetime.fromtimestamp(self.nanoseconds / 1e9, UTC)


class MailFiles:
    """Reads and writes the folder. Call all methods in a thread; they raise `OSError` if the folder is inaccessible."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, mail_id: str, content: bytes, *, max_files: int) -> None:
        """Store an email, readable only by the process's user, and delete all but the newest `max_files`.

        `mail_id` has 32 hexadecimal digits. An email with the same ID is replaced.
        """
        self.ensure_folder()
        earlier = [file for file in self.list_newest_first() if file.id == mail_id]
        temporary = self.folder / f".{secrets.token_hex(16)}.part"
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        temporary.rename(self.folder / f"{time.time_ns():020d}-{mail_id}.eml")
        self._remove(earlier + self.list_newest_first()[max_files:])
        self._delete_stale()

    def ensure_folder(self) -> None:
        """Create the folder if it does not exist. Raises `OSError` if it is not writable."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))

    def list_newest_first(self) -> list[MailFile]:
        """Return all stored emails, newest first; an empty list if the folder does not exist."""
        try:
            names = sorted((path.name for path in self.folder.iterdir()), reverse=True)
        except FileNotFoundError:
            return []
        matches = (_NAME.fullmatch(name) for name in names)
        return [MailFile(self.folder / match[0], match[2], int(match[1])) for match in matches if match]

    def clear(self) -> None:
        """Delete all emails."""
        self._remove(self.list_newest_first())

    def _remove(self, files: list[MailFile]) -> None:
        for file in files:
            file.path.unlink(missing_ok=True)

    def _delete_stale(self) -> None:
        for path in self.folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - STALE_SECONDS:
                    path.unlink()
