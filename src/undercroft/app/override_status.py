"""How a project's copy of something compares with the original of this release."""

from enum import StrEnum
from pathlib import Path

from msgspec import Struct


class OverrideStatus(StrEnum):
    CURRENT = "current"
    CHANGED = "changed"
    MISSING = "missing"
    INVALID = "invalid"
    UNTRACKED = "untracked"


class Override(Struct, frozen=True):
    """A template or method of the project that overrides one of a module, or was copied from one.

    `message` is for developers.
    """

    path: Path
    status: OverrideStatus
    message: str

    @property
    def needs_attention(self) -> bool:
        return self.status in (OverrideStatus.CHANGED, OverrideStatus.MISSING, OverrideStatus.INVALID)
