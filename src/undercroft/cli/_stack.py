"""Lets commands use the stack of the `undercroft dev` that is running in this folder."""

import os
import sys

from undercroft.core import settings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import STATE_FOLDER


def attach() -> None:
    """Use the database, Redis and the settings of the stack, if one is running and no database is configured."""
    if not _may_run():
        return
    from undercroft.devstack.control import attach, is_stop_requested

    if attach(STATE_FOLDER):
        print("Using the running `undercroft dev` stack.", file=sys.stderr)
        if is_stop_requested(STATE_FOLDER):
            print("PostgreSQL is stopped. Start it with `undercroft db start`.", file=sys.stderr)


def attach_to_project() -> None:
    """Use the running stack, but the extensions and modules that are configured in the project."""
    configured = {name: os.environ.get(name) for name in ("ENABLED_EXTENSIONS", "DISABLED_MODULES")}
    attach()
    for name in (name for name, value in configured.items() if value is None):
        os.environ.pop(name, None)
    settings.reset()


def enabled_extensions() -> tuple[str, ...]:
    """Return the configured extensions, or else those of the stack."""
    configured = settings.load(settings.CoreSettings).enabled_extensions
    return configured or tuple(settings.split_list(_running_modules().get("ENABLED_EXTENSIONS", "")))


def disabled_modules() -> tuple[str, ...]:
    """Return the modules that DISABLED_MODULES names, or else those of the stack; none if a setting is invalid."""
    try:
        configured = settings.load(settings.CoreSettings).disabled_modules
        return configured or tuple(settings.split_list(_running_modules().get("DISABLED_MODULES", "")))
    except ConfigurationError:
        return ()


def use_extensions() -> None:
    """Use the extensions and modules of the stack, for commands that need nothing else of it."""
    if selected := _running_modules():
        os.environ.update(selected)
        settings.reset()


def _running_modules() -> dict[str, str]:
    if not _may_run():
        return {}
    from undercroft.devstack.control import running_modules

    return running_modules(STATE_FOLDER)


def _may_run() -> bool:
    """Whether a stack may be running: the imports that find out would delay every command."""
    return (STATE_FOLDER / "dev.lock").exists()
