"""Settings that administrators change while the application runs.

    class HotelSettings(SettingsBase):                        # settings.py of any module
        runtime = ("checkout_hour",)

        checkout_hour: int = Field(11, ge=0, le=23, description="Hour of the day until which guests leave.")

    load(HotelSettings).checkout_hour                         # the value in force, each time it is read

The environment has the default, and a value set at runtime replaces it. Both have the same notation and validation. The
module `system_settings` stores the values and sets them in every process. Code that must act on a change calls `watch`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast, get_args

import structlog
from msgspec import Struct
from pydantic import SecretStr

from undercroft.core.context import current_context
from undercroft.core.errors import CodeError, ConfigurationError
from undercroft.core.settings import CoreSettings, SettingsBase, env_name, load, read, runtime_values_of

__all__ = [
    "RuntimeSetting",
    "apply_values",
    "check_value",
    "format_setting",
    "runtime_settings",
    "settings_with",
    "watch",
]


log = structlog.get_logger("undercroft.application")

S = TypeVar("S", bound=SettingsBase)


class RuntimeSetting(Struct, frozen=True):
    """A setting that can change at runtime: `field` of the class `owner`. `name` is the environment variable."""

    name: str
    owner: type[SettingsBase]
    field: str

    @property
    def description(self) -> str:
        return self.owner.model_fields[self.field].description or ""

    @property
    def section(self) -> str:
        return self.owner.section

    @property
    def default(self) -> Any:
        """The value of the environment, or the one of the code, as JSON."""
        return _to_json(read(self.owner, {}), self.field)

    def value_with(self, values: Mapping[str, str]) -> Any:
        """Return the value in force, as JSON, when these values are set at runtime; invalid ones are ignored."""
        own = runtime_values_of(self.owner, {name.lower(): value for name, value in values.items()})
        return _to_json(_read_valid(self.owner, own, {})[0], self.field)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        whole = self.owner.model_json_schema(mode="validation")
        schema = dict(whole["properties"][self.field])
        for unneeded in ("default", "description", "title"):
            schema.pop(unneeded, None)
        return {**schema, **({"$defs": whole["$defs"]} if "$ref" in json.dumps(schema) else {})}


class RuntimeSettings:
    """The runtime settings of an application by name, and what is called after they changed.

    Raises `CodeError` for a field that does not exist or is a secret: those are never stored in the database.
    """

    def __init__(self, classes: Iterable[type[SettingsBase]]) -> None:
        self.by_name: dict[str, RuntimeSetting] = {}
        self.watchers: list[Callable[[], None]] = []
        for owner in classes:
            for field in owner.runtime:
                _check_field(owner, field)
                name = env_name(owner, field)
                self.by_name[name] = RuntimeSetting(name, owner, field)


def runtime_settings() -> Mapping[str, RuntimeSetting]:
    """Return the settings of the application that can change at runtime, by name."""
    return current_context().get(RuntimeSettings).by_name


def watch(callback: Callable[[], None]) -> None:
    """Call a function in this application after settings changed at runtime, for what is derived from them.

    Its exceptions are only logged, because the settings are in force.
    """
    current_context().get(RuntimeSettings).watchers.append(callback)


def format_setting(setting: RuntimeSetting, value: Any) -> str:
    """Return a JSON value in the notation of the environment. Raises `ValueError` for one that no setting has."""
    if value is None or value == "":
        raise ValueError(f"{setting.name} has no empty value. Reset it to return to the one of the environment.")
    if isinstance(value, str):
        return value
    if setting.schema.get("type") == "string":
        raise ValueError(f"{setting.name} must be a text.")
    return json.dumps(value)


def check_value(setting: RuntimeSetting, text: str, values: Mapping[str, str]) -> None:
    """Raise `ValueError`, with the reason, if a value is invalid together with the other `values` set at runtime.

    In production, this includes values that are insecure.
    """
    others = {name.lower(): value for name, value in values.items()}
    try:
        changed = _read(setting.owner, runtime_values_of(setting.owner, {**others, setting.name.lower(): text}))
    except ConfigurationError as error:
        raise ValueError(_reason(error)) from None
    if load(CoreSettings).is_production:
        before = set(load(setting.owner).production_errors())
        if insecure := [error for error in changed.production_errors() if error not in before]:
            raise ValueError(insecure[0])


def settings_with(owner: type[S], values: Mapping[str, str]) -> S:
    """Return the settings of a class when these values, by name, are set at runtime; invalid ones are ignored.

    For a decision in a transaction that has read the values: this process may not have the newest ones yet.
    """
    own = runtime_values_of(owner, {name.lower(): value for name, value in values.items()})
    if own == runtime_values_of(owner, current_context().runtime_values):
        return load(owner)
    return cast("S", _read_valid(owner, own, {})[0])


def apply_values(values: Mapping[str, str]) -> dict[str, str]:
    """Set these values, by name, in this application, and return to the environment for all others.

    Invalid values are left out; returns the reasons by name. Calls the functions of `watch` if anything changed.
    """
    context, declared = current_context(), current_context().get(RuntimeSettings)
    wanted = {name.lower(): value for name, value in values.items()}
    applied: dict[str, str] = {}
    invalid: dict[str, str] = {}
    for owner in dict.fromkeys(setting.owner for setting in declared.by_name.values()):
        own = runtime_values_of(owner, wanted)
        instance, valid = _read_valid(owner, own, invalid)
        applied |= valid
        if valid != runtime_values_of(owner, context.runtime_values):
            context.settings[owner] = instance
    if applied != context.runtime_values:
        context.runtime_values = applied
        for callback in declared.watchers:
            try:
                callback()
            except Exception as error:
                log.error("setting.watcher_failed", watcher=callback.__qualname__, exc_info=error)
    return invalid


def _read_valid(
    owner: type[SettingsBase], values: dict[str, str], invalid: dict[str, str]
) -> tuple[SettingsBase, dict[str, str]]:
    """Read a class with those of the values that are valid, added one by one; the others are added to `invalid`."""
    try:
        return _read(owner, values), values
    except ConfigurationError:
        valid: dict[str, str] = {}
    instance = read(owner, {})
    for name, value in values.items():
        try:
            instance = _read(owner, {**valid, name: value})
            valid[name] = value
        except ConfigurationError as error:
            invalid[name.upper()] = _reason(error)
    return instance, valid


def _read(owner: type[SettingsBase], values: Mapping[str, str]) -> SettingsBase:
    settings = read(owner, values)
    settings.require_adapters()
    return settings


def _check_field(owner: type[SettingsBase], field: str) -> None:
    info = owner.model_fields.get(field)
    if info is None:
        raise CodeError(f"{owner.__name__} has no field {field}, which is named in `runtime`. Remove it.", at=owner)
    if info.annotation is SecretStr or SecretStr in get_args(info.annotation):
        raise CodeError(f"{field} of {owner.__name__} is a secret, which cannot change at runtime.", at=owner)


def _reason(error: ConfigurationError) -> str:
    """The sentence of an error, without the heading of `load`."""
    return str(error).removeprefix("Invalid settings:").strip().split("\n")[0].strip()


def _to_json(settings: SettingsBase, field: str) -> Any:
    return settings.model_dump(mode="json", include={field})[field]
