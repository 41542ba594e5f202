"""Deprecated public names and settings of Undercroft, and the warnings about their use.

A deprecated thing works until the release that removes it. To deprecate one, add it to `DEPRECATIONS` with the next
free code. A setting then also applies under its former name. For a name, remove it from `__all__` and end its package
with

    __getattr__ = deprecated_names(__name__, UUID=UUID)

`undercroft public-api --check` refuses to remove a name before that release, and to keep it afterwards.
"""

import warnings
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

__all__ = ["DEPRECATIONS", "DeprecatedName", "UndercroftDeprecationWarning"]


class DeprecatedName(Struct, frozen=True):
    """A dotted public name, or a setting, that is deprecated.

    `since` is the first release that warns, `removal` the one that removes it, and `instead` the name or setting that
    replaces it.
    """

    code: str
    kind: Literal["name", "setting"]
    name: str
    since: str
    removal: str
    instead: str

    @property
    def message(self) -> str:
        """What to change, in one line."""
        return (
            f"{self.code}: {self.name} is deprecated since Undercroft {self.since} and will be removed in "
            f"{self.removal}. Use {self.instead}."
        )


DEPRECATIONS = (
    DeprecatedName("UC001", "setting", "CAPTCHA_SECONDS", "0.2", "0.4", "CAPTCHA_TIMEOUT"),
    DeprecatedName("UC002", "name", "undercroft.core.ids.UUID", "0.2", "0.4", "uuid.UUID"),
    DeprecatedName(
        "UC003",
        "name",
        "undercroft.core.deprecations.Deprecation",
        "0.2",
        "0.4",
        "undercroft.core.deprecations.DeprecatedName",
    ),
)
"""All that is deprecated. A code is used only once. `undercroft.lint` reads this table without importing it."""


class UndercroftDeprecationWarning(DeprecationWarning):
    """The use of something that a later release removes. Its location is the line that uses it."""


def deprecated_names(module: str, **values: Any) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that has deprecated names, with their values."""

    def get_deprecated(name: str) -> Any:
        if name not in values:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(_find(f"{module}.{name}").message, UndercroftDeprecationWarning, stacklevel=2)
        return values[name]

    return get_deprecated


def warn_setting_read(name: str) -> None:
    """Warn about the line that reads the attribute of a deprecated setting, for the property with its former name."""
    warnings.warn(_find(name).message, UndercroftDeprecationWarning, stacklevel=3)


def _find(name: str) -> DeprecatedName:
    return next(each for each in DEPRECATIONS if each.name == name)


RENAMED_SETTINGS = {each.name.lower(): each.instead.lower() for each in DEPRECATIONS if each.kind == "setting"}
"""The present names of the deprecated settings by their former names, as in `read_environ`."""

__getattr__ = deprecated_names(__name__, Deprecation=DeprecatedName)
