"""The releases of Undercroft, from `releases.toml`."""

import datetime
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct, field
from packaging.version import Version

from undercroft.core.deprecations import DEPRECATIONS

FILE = "releases.toml"
KINDS = ("added", "changed", "fixed", "deprecated", "removed", "security")


class BreakingChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A change that may require a change of a project, and what to do about it."""

    title: str
    fix: str


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    """A release. `settings` are the defaults of all built-in settings by name, for the release before the current one.

    `date` is None before it is released.
    """

    version: str
    summary: str
    date: datetime.date | None = None
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    breaking: tuple[BreakingChange, ...] = ()
    setting_changes: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


class _Releases(Struct, frozen=True, forbid_unknown_fields=True):
    release: tuple[Release, ...]


@cache
def load_releases() -> tuple[Release, ...]:
    """Return all releases, newest first."""
    text = files("undercroft").joinpath(FILE).read_bytes()
    return msgspec.toml.decode(text, type=_Releases).release


def deprecations_of(release: Release) -> tuple[str, ...]:
    """Return what a release deprecates: its own lines, and the names and settings that have a code."""
    minor = ".".join(release.version.split(".")[:2])
    return (*release.deprecated, *(each.message for each in DEPRECATIONS if each.since in (minor, release.version)))


def find_release(version: str) -> Release | None:
    return next((each for each in load_releases() if each.version == version), None)


def releases_after(version: str) -> list[Release]:
    """Return the releases after a version, oldest first."""
    newer = [each for each in load_releases() if Version(each.version) > Version(version)]
    return sorted(newer, key=lambda each: Version(each.version))
