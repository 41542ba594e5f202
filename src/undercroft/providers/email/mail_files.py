"""A folder of mails, one file each, that several processes may write and read at once.

A file is written beside its place and renamed into it, so that a reader never sees half of one. Names sort by time:
`<nanoseconds since 1970>-<id>.eml`.
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
"""After this time a file that was never renamed belongs to a writer that died."""

_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{32})\.eml")


class MailFile(Struct, frozen=True):
    """One kept mail: its name in the folder tells when it came and its id."""

    path: Path
    id: str
    nanoseconds: int

    @property
    def stored_at(self) -> datetime:
        return datetime.fromtimestamp(self.nanoseconds / 1e9, UTC)


class MailFiles:
    """All methods read or write files: call them in a thread. They raise `OSError` when the folder is out of reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, mail_id: str, content: bytes, *, max_files: int) -> None:
        """Keep a mail, for its owner's eyes only, and drop all but the newest `max_files`.

        `mail_id` is 32 hexadecimal digits. A mail that has the same id already is replaced.
        """
        self.ensure_folder()
        earlier = [file for file in self.list_newest_first() if file.id == mail_id]
        half = self.folder / f".{secrets.token_hex(16)}.part"
        with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
        half.rename(self.folder / f"{time.time_ns():020d}-{mail_id}.eml")
        self._remove(earlier + self.list_newest_first()[max_files:])
        self._delete_stale()

    def ensure_folder(self) -> None:
        """Make the folder, unless it is there. Raises `OSError` when it cannot be written to."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))

    def list_newest_first(self) -> list[MailFile]:
        """What is there now; nothing when there is no folder yet."""
        try:
            names = sorted((path.name for path in self.folder.iterdir()), reverse=True)
        except FileNotFoundError:
            return []
        matches = (_NAME.fullmatch(name) for name in names)
        return [MailFile(self.folder / match[0], match[2], int(match[1])) for match in matches if match]

    def clear(self) -> None:
        """Drop every mail."""
        self._remove(self.list_newest_first())

    def _remove(self, files: list[MailFile]) -> None:
        for file in files:
            file.path.unlink(missing_ok=True)

    def _delete_stale(self) -> None:
        for path in self.folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - STALE_SECONDS:
                    path.unlink()
