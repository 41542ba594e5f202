"""Compares the settings of two releases."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from undercroft.app.reference import format_value
from undercroft.core.deprecations import DEPRECATIONS
from undercroft.core.settings import SettingsBase, env_name

Kind = Literal["added", "removed", "deprecated", "default changed"]


class SettingChange(Struct, frozen=True):
    """A setting that differs between two releases. `old` and `new` are the defaults, or the setting that replaces a
    deprecated one. `is_set`: in this project.
    """

    name: str
    kind: Kind
    old: str | None
    new: str | None
    is_set: bool = False

    def __str__(self) -> str:
        if self.kind == "added":
            return f"`{self.name}` added, default {_quote(self.new)}"
        if self.kind == "deprecated":
            return f"`{self.name}` deprecated, use `{self.new}`"
        if self.kind == "removed":
            return f"`{self.name}` removed"
        return f"`{self.name}` default changed from {_quote(self.old)} to {_quote(self.new)}"


def default_settings(classes: Iterable[type[SettingsBase]]) -> dict[str, str]:
    """Return the defaults of all settings by name, in the notation of `.env`; those of secrets are empty."""
    return {
        env_name(each, name): ""
        if "SecretStr" in str(info.annotation)
        else format_value(info.get_default(call_default_factory=True, validated_data={}))
        for each in classes
        for name, info in each.model_fields.items()
    }


def compare_settings(
    old: Mapping[str, str], new: Mapping[str, str], assigned: Iterable[str] = ()
) -> list[SettingChange]:
    """Return the differences, sorted by name. `assigned` are the names that the project sets, in lowercase."""
    return sorted(_changes(old, new, frozenset(assigned)), key=lambda each: each.name)


def _changes(old: Mapping[str, str], new: Mapping[str, str], assigned: frozenset[str]) -> Iterator[SettingChange]:
    deprecated = {each.name: each.instead for each in DEPRECATIONS if each.kind == "setting"}
    gone = old.keys() - new.keys()
    kinds: dict[Kind, Iterable[str]] = {
        "added": new.keys() - old.keys(),
        "removed": gone - deprecated.keys(),
        "deprecated": gone & deprecated.keys(),
        "default changed": (name for name in old.keys() & new.keys() if old[name] != new[name]),
    }
    for kind, names in kinds.items():
        for name in names:
            after = deprecated[name] if kind == "deprecated" else new.get(name)
            yield SettingChange(name, kind, old.get(name), after, name.lower() in assigned)


def _quote(value: str | None) -> str:
    return f"`{value}`" if value else "empty"
