"""The settings of the application: those of the core, of its modules and of its extensions."""

from undercroft.app.registry import get_registry
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import Environment, SettingsBase, load


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


def _load_all() -> list[SettingsBase]:
    instances, errors = [], list[str]()
    for declared in get_registry().settings_classes:
        try:
            instances.append(load(declared))
            instances[-1].require_adapters()
        except ConfigurationError as error:
            errors += str(error).splitlines()
    if errors:
        raise ConfigurationError("\n".join(dict.fromkeys(errors)))
    return instances
