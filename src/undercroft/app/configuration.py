"""The settings of the application: those of the core, of its modules and of its extensions."""

from collections.abc import Iterable
from difflib import get_close_matches

import structlog

from undercroft.app.optional_modules import setting_names
from undercroft.app.registry import get_registry
from undercroft.core.context import current_context
from undercroft.core.deprecations import RENAMED_SETTINGS
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import available_extensions
from undercroft.core.settings import (
    PROJECT_FILE,
    CoreSettings,
    Environment,
    SettingsBase,
    env_name,
    load,
    read_environ,
    read_project_settings,
)

log = structlog.get_logger("undercroft.application")


def check_settings(environment: Environment) -> None:
    """Validate all settings; in production, also refuse insecure ones.

    Raises one `ConfigurationError` with all errors.
    """
    instances = _load_all()
    if environment is not Environment.PRODUCTION:
        return
    errors = [error for instance in instances for error in instance.production_errors()]
    if errors:
        listed = "\n".join(f"  - {error}" for error in errors)
        raise ConfigurationError(
            f"These settings are invalid for production:\n{listed}\n"
            "Set them in the environment or in .env. For development, use `undercroft dev`."
        )


def warn_of_deprecations() -> None:
    """Log deprecated settings, and in development also the lines of the extensions that use deprecated names."""
    core, environ = load(CoreSettings), current_context().environ
    if (
        not core.is_development
        and not RENAMED_SETTINGS.keys() & (read_environ() if environ is None else environ).keys()
    ):
        return
    from undercroft.app.deprecated_uses import find_deprecated_imports, find_deprecated_settings

    folders = [module.folder for module in get_registry().extensions] if core.is_development else []
    for use in (*find_deprecated_settings(), *find_deprecated_imports(folders)):
        log.warning("deprecation.used", at=use.location, hint=use.deprecation.message)


def _load_all() -> list[SettingsBase]:
    classes = get_registry().settings_classes
    instances, errors = [], _unknown_project_settings(classes)
    for declared in classes:
        try:
            instances.append(load(declared))
            instances[-1].require_adapters()
        except ConfigurationError as error:
            errors += str(error).splitlines()
    if errors:
        raise ConfigurationError("\n".join(dict.fromkeys(errors)))
    return instances


def _unknown_project_settings(classes: Iterable[type[SettingsBase]]) -> list[str]:
    """Return one sentence for each name in the project's file that is no setting, such as a misspelled one."""
    found = {name.upper() for name in read_project_settings()}
    if found <= (known := _names(classes)):
        return []
    known |= setting_names(get_registry().disabled)  # an extension may be disabled or skipped as well
    of_extensions = tuple(f"{name}_".upper() for name in available_extensions())
    unknown = sorted(name for name in found - known if not name.startswith(of_extensions))
    close = {name: get_close_matches(name, known, 1) for name in unknown}
    return [
        f"{PROJECT_FILE} sets {name.lower()} in [tool.undercroft], which is not a setting. "
        + (f"Did you mean {close[name][0].lower()}?" if close[name] else "`undercroft env` lists all settings.")
        for name in unknown
    ]


def _names(classes: Iterable[type[SettingsBase]]) -> set[str]:
    present = {env_name(declared, field) for declared in classes for field in declared.model_fields}
    return present | {name.upper() for name in RENAMED_SETTINGS}
