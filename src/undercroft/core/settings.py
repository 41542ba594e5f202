"""Typed settings, read from the environment, `.env` and `[tool.undercroft]` in `pyproject.toml`, in this precedence.

Each part of the application declares a subclass of `SettingsBase` in a file named `settings.py` and reads it by
`load(ThatClass)`. `.env.example` and the configuration reference are generated from these files.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict, SettingsError

from undercroft.core.context import PROCESS, current_context
from undercroft.core.deprecations import RENAMED_SETTINGS
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "CoreSettings",
    "DomainList",
    "Environment",
    "SettingsBase",
    "SettingsConfigDict",
    "StringList",
    "load",
]

ENV_FILE = Path(".env")
PROJECT_FILE = Path("pyproject.toml")
STATE_FOLDER = Path(".undercroft")


def split_list(value: Any) -> Any:
    """Split a list that is separated by commas; a JSON list is accepted as well."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def check_domain(domain: str) -> str:
    """Return a domain in lowercase, without an @ before it. Raises `ValueError` if no email address can have it."""
    normalized = domain.strip().lower().removeprefix("@")
    labels = normalized.split(".")
    if len(labels) < 2 or not all(label and label.replace("-", "").isalnum() for label in labels):
        raise ValueError(f"{domain!r} is not a domain: use example.com")
    return normalized


StringList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
DomainList = Annotated[StringList, AfterValidator(lambda domains: tuple(map(check_domain, domains)))]
"""Domains of email addresses."""
ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class ExtensionErrors(StrEnum):
    ABORT = "abort"
    SKIP = "skip"


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class SettingsBase(BaseSettings):
    """Base class of all settings. `section` is the heading in `.env.example`.

    `runtime` names the fields that administrators can change while the application runs (`core.runtime_settings`). Code
    reads them by `load` each time.
    """

    section: ClassVar[str] = ""
    runtime: ClassVar[tuple[str, ...]] = ()

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
        validate_default=True,
        defer_build=True,
    )

    def require_adapters(self) -> None:
        """Raise `ConfigurationError` if a value needs an adapter, a package or a module that the application lacks.

        Called when all are loaded.
        """

    def production_errors(self) -> Iterator[str]:
        """Yield one sentence for each value that is not allowed in production: the setting and how to fix it."""
        return iter(())


class CoreSettings(SettingsBase):
    section: ClassVar[str] = "Core"

    environment: Environment = Field(
        Environment.PRODUCTION,
        description="`production`, `development` or `test`. Normally not set: `undercroft dev` and the tests set it.",
    )
    app_name: str = Field("Undercroft", description="Name of your product in emails, pages and the API title.")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="Base URL of this installation, https:// in production. Links in emails begin with it. Requests to "
        "other hosts are refused unless ALLOWED_HOSTS lists them.",
        pattern=r"^https?://[^/\s]+(/[^\s]*[^/\s])?$",
    )
    api_license: str = Field(
        "",
        description="License of your API in its OpenAPI document, as an SPDX expression: `Apache-2.0`, or "
        "`LicenseRef-Acme` for your own. If empty, the document states none.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Encrypts the secrets in the database. At least 32 random characters: "
        "`undercroft keys secret` generates a value.",
    )
    enabled_extensions: Annotated[tuple[ModuleName, ...], NoDecode, BeforeValidator(split_list)] = Field(
        (),
        description="Extensions to load, separated by commas: folders in `extensions/`, or installed packages.",
    )
    disabled_modules: Annotated[tuple[ModuleName, ...], NoDecode, BeforeValidator(split_list)] = Field(
        (),
        description="Optional built-in modules to leave out, separated by commas: their routes, pages, tables, tasks, "
        "settings and admin views. Tables of a module that was enabled before keep their data.",
    )
    extension_errors: ExtensionErrors = Field(
        ExtensionErrors.ABORT,
        description="What happens in production if an extension cannot be loaded: `abort` stops the start, `skip` "
        "starts without it and reports it in the log and the readiness check.",
    )
    hook_timeout: float = Field(
        2, gt=0, description="Seconds for each decision hook (hooks.py). After that, the operation fails with 503."
    )
    secret_keys: list[SecretStr] = Field(
        [],
        description='Previous values of SECRET_KEY, which still decrypt older data: ["previous value"].',
    )

    @property
    def skips_broken_extensions(self) -> bool:
        return self.is_production and self.extension_errors is ExtensionErrors.SKIP

    def has_module(self, name: str) -> bool:
        """Whether the application has an optional built-in module: DISABLED_MODULES does not contain it."""
        return name not in self.disabled_modules

    @property
    def is_production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @property
    def is_development(self) -> bool:
        return self.environment is Environment.DEVELOPMENT

    def production_errors(self) -> Iterator[str]:
        yield from _secret_errors("SECRET_KEY", self.secret_key)
        if not self.public_url.startswith("https://"):
            yield "PUBLIC_URL must begin with https:// (links in emails and secure cookies depend on it)."


def _secret_errors(name: str, secret: SecretStr) -> Iterator[str]:
    value = secret.get_secret_value()
    if not value:
        yield f"{name} is not set. Generate a value with `undercroft keys secret`."
    elif (
        len(value) < 32
        or len(set(value)) < 10
        or _is_sequential(value)
        or any(word in value.lower() for word in _WEAK_WORDS)
    ):
        yield f"{name} is too weak: use at least 32 random characters. Generate a value with `undercroft keys secret`."


_WEAK_WORDS = ("change", "secret", "replace", "random", "password", "example")
"""Words in copied example values. A random value contains one of them about once in millions."""


def _is_sequential(value: str) -> bool:
    """Whether most characters follow the previous one in order: 0123456789, abcdefg."""
    following = sum(ord(after) - ord(before) == 1 for before, after in pairwise(value))
    return following > len(value) / 2


S = TypeVar("S", bound=SettingsBase)
overrides: dict[type[SettingsBase], SettingsBase] = {}
"""Instances that `load` returns in every context of this process: see `use`."""


def load(cls: type[S]) -> S:
    """Return the settings of this class, read once per application.

    Raises `ConfigurationError` listing every invalid value.
    """
    found = overrides.get(cls)
    if found is None:
        context = current_context()
        found = context.settings.get(cls)
        if found is None:
            found = context.settings[cls] = read(cls, runtime_values_of(cls, context.runtime_values))
    return found  # type: ignore[return-value]


def read(cls: type[S], runtime_values: Mapping[str, str]) -> S:
    """Read the settings of this class again, with these values instead of those of the environment.

    Raises `ConfigurationError` listing every invalid value.
    """
    _refuse_committed_secrets(cls)
    environ = current_context().environ
    return _validate(cls, {**(read_environ() if environ is None else environ), **runtime_values})


def runtime_values_of(cls: type[SettingsBase], values: Mapping[str, str]) -> dict[str, str]:
    """Return those of the values, by lowercase name, that belong to the `runtime` fields of this class."""
    names = (env_name(cls, field).lower() for field in cls.runtime)
    return {name: values[name] for name in names if name in values}


def reset() -> None:
    """Undo `use`, and read the environment of the process again at the next `load`."""
    overrides.clear()
    PROCESS.settings.clear()
    PROCESS.runtime_values = {}


def use(instance: SettingsBase) -> None:
    """Make `load` return this instance in all contexts (for tests, and for programs that configure themselves)."""
    overrides[type(instance)] = instance


def read_environ() -> dict[str, str]:
    """Return the variables of the environment, of `.env` and of the project. An empty variable counts as unset.

    Raises `ConfigurationError` if `.env` or `pyproject.toml` cannot be read.
    """
    variables = {name.lower(): value for name, value in _read_env_file().items() if value}
    environment = {name.lower(): value for name, value in os.environ.items() if value}
    return read_project_settings() | variables | environment


def read_project_settings() -> dict[str, str]:
    """Return the settings of all environments: `[tool.undercroft]` in `pyproject.toml`, which is committed.

    Raises `ConfigurationError` if the file cannot be read or contains ENVIRONMENT.
    """
    try:
        return dict(_parse_project_settings(PROJECT_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{PROJECT_FILE} cannot be read: {error}. Fix it.") from None


@lru_cache(maxsize=4)
def _parse_project_settings(text: str) -> dict[str, str]:
    if "undercroft" not in text:
        return {}
    import tomllib

    table = tomllib.loads(text).get("tool", {}).get("undercroft", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"[tool.undercroft] in {PROJECT_FILE} must be a table of settings.")
    values = {
        name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in table.items()
    }
    found = {name.lower(): value for name, value in values.items() if value}
    if "environment" in found:
        raise ConfigurationError(
            f"ENVIRONMENT must not be set in {PROJECT_FILE}, which development, tests and production share."
        )
    return found


class _EnvironSource(EnvSettingsSource):
    """Reads from a mapping instead of `os.environ`."""

    def __init__(self, cls: type[SettingsBase], environ: Mapping[str, str]) -> None:
        super().__init__(cls)
        self.env_vars = environ


def _validate(cls: type[S], environ: Mapping[str, str]) -> S:
    source = _EnvironSource(cls, _with_present_names(environ))
    try:
        return cls(_build_sources=((source,), {}))
    except ValidationError as error:
        violations = "\n".join(f"  {_violation(cls, each)}" for each in error.errors())
        raise ConfigurationError(f"Invalid settings:\n{violations}") from None
    except SettingsError as error:
        name = next(iter(re.findall(r'field "(\w+)"', str(error))), "A setting").upper()
        raise ConfigurationError(f'Invalid settings:\n  {name} must be a JSON list: ["one", "two"].') from None


def _with_present_names(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Add the present names of settings that are set by their former names only."""
    renamed = {name: environ[former] for former, name in RENAMED_SETTINGS.items() if former in environ}
    return {**renamed, **environ} if renamed else environ


def _refuse_committed_secrets(cls: type[SettingsBase]) -> None:
    project = _with_present_names(read_project_settings())
    for field, info in cls.model_fields.items() if project else ():
        name = env_name(cls, field)
        if name.lower() in project and "SecretStr" in str(info.annotation):
            raise ConfigurationError(
                f"{name} is a secret and must not be in {PROJECT_FILE}. Set it in the environment or in {ENV_FILE}."
            )


def _violation(cls: type[SettingsBase], error: "ErrorDetails") -> str:
    """One sentence that begins with the setting. Validators over several settings name them in their own message.

    The value is never shown: it may be a secret.
    """
    kind, context = error["type"], error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    field = str(error["loc"][0])
    name = env_name(cls, field)
    if kind == "string_pattern_mismatch":
        return f"{name} is not valid. {cls.model_fields[field].description}"
    return f"{name} must be {_EXPECTED[kind].format_map(context)}." if kind in _EXPECTED else f"{name}: {message}"


_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "a list of at least {min_length} entries",
    "too_long": "a list of at most {max_length} entries",
    "list_type": 'a JSON list: ["one", "two"]',
    "dict_type": 'a JSON object: {{"name": "value"}}',
    "url_parsing": "a URL such as https://example.com",
    "url_scheme": "a URL that begins with {expected_schemes}",
    "ip_any_address": "an IP address",
    "ip_any_network": "an IP network such as 10.0.0.0/8",
    "time_delta_parsing": "a duration in seconds or in ISO 8601 form",
    "path_type": "a path",
    "missing": "set",
}
"""The expected value of a setting, by pydantic's error type. Pydantic's own messages are about input and parsing."""


def env_name(cls: type[SettingsBase], field: str) -> str:
    """The name of the environment variable for this field."""
    return f"{cls.model_config.get('env_prefix', '')}{field}".upper()


def env_file() -> Path:
    """Return the path of the project's `.env` file."""
    return Path(os.environ.get("UNDERCROFT_ENV_FILE", ENV_FILE))


def _read_env_file() -> dict[str, str | None]:
    """Return the variables of the `.env` file in the working directory; none if there is no file."""
    path = env_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Fix or remove it.") from None
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise ConfigurationError(
                f"{path} line {binding.original.line} is not of the form NAME=value. Fix or remove that line."
            )
    return dotenv_values(stream=StringIO(text))
