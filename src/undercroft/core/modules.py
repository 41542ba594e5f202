"""The declaration that makes a package a module."""

from collections.abc import Callable

from msgspec import Struct


class Module(Struct, frozen=True, kw_only=True):
    """What a module declares about itself, as `MODULE` in its `__init__.py`.

    `requires` names the modules that it depends on: they are loaded before it. When `is_enabled` returns False, the
    application has none of the module's routes and pages.
    """

    requires: tuple[str, ...] = ()
    is_enabled: Callable[[], bool] | None = None
