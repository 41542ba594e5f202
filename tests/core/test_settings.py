"""Settings: their sources, and the messages for invalid values."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.enabled import DISABLED
from undercroft.app.configuration import check_settings
from undercroft.app.discovery import list_settings_classes
from undercroft.core import settings
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, Environment, SettingsBase, load
from undercroft.providers.email.settings import EmailSettings

STRONG = "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty working directory and a clean environment."""
    for name in ("ENVIRONMENT", "PUBLIC_URL", "SECRET_KEY", "DATABASE_URL", "UNDERCROFT_ENV_FILE", "APP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settings.reset()
    return tmp_path


def test_environment_defaults_to_production() -> None:
    assert load(CoreSettings).environment is Environment.PRODUCTION


def test_environment_variable_overrides_the_env_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("APP_NAME=file\nPUBLIC_URL=https://file.example\n")
    monkeypatch.setenv("APP_NAME", "environment")
    assert load(CoreSettings).app_name == "environment"
    assert load(CoreSettings).public_url == "https://file.example"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_NAME", "")
    assert load(CoreSettings).app_name == "Undercroft"


def test_project_file_is_overridden_by_the_env_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = 'app_name = "project"\nAPI_LICENSE = "MIT"\nenabled_extensions = ["hotel", "spa"]\npublic_url = ""\n'
    (folder / "pyproject.toml").write_text(f"[tool.undercroft]\n{table}")
    assert load(CoreSettings).app_name == "project"
    assert load(CoreSettings).api_license == "MIT"
    assert load(CoreSettings).enabled_extensions == ("hotel", "spa")
    assert load(CoreSettings).public_url == "http://127.0.0.1:8000"
    (folder / ".env").write_text("APP_NAME=file\nENABLED_EXTENSIONS=spa\n")
    settings.reset()
    assert load(CoreSettings).app_name == "file"
    assert load(CoreSettings).enabled_extensions == ("spa",)
    monkeypatch.setenv("APP_NAME", "environment")
    settings.reset()
    assert load(CoreSettings).app_name == "environment"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tool.undercroft\n", "pyproject.toml cannot be read: .* Fix it."),
        ("[tool]\nundercroft = 1\n", "must be a table of settings"),
        ('[tool.undercroft]\nenvironment = "development"\n', "ENVIRONMENT must not be set in pyproject.toml"),
        ('[tool.undercroft]\nsecret_key = "hunter2"\n', "SECRET_KEY is a secret and must not be in pyproject.toml"),
        ('[tool.undercroft]\nsecret_keys = ["hunter2"]\n', "SECRET_KEYS is a secret and must not be in pyproject.toml"),
        ("[tool.undercroft]\nextension_errors = 3\n", "EXTENSION_ERRORS must be one of"),
    ],
)
def test_invalid_project_file_raises_one_clear_error(folder: Path, content: str, message: str) -> None:
    (folder / "pyproject.toml").write_text(content)
    with pytest.raises(ConfigurationError, match=message) as refused:
        load(CoreSettings)
    assert "hunter2" not in str(refused.value)


def test_misspelled_setting_in_the_project_file_is_reported(folder: Path) -> None:
    (folder / "extensions" / "hotel").mkdir(parents=True)
    (folder / "extensions" / "hotel" / "__init__.py").touch()
    (folder / "pyproject.toml").write_text('[tool.undercroft]\nap_name = "Shop"\nhotel_keep_days = 3\n')
    with pytest.raises(ConfigurationError) as refused:
        check_settings(Environment.DEVELOPMENT)
    assert str(refused.value) == (
        "pyproject.toml sets ap_name in [tool.undercroft], which is not a setting. Did you mean app_name?"
    )


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"APP_NAME=fine\nthis is no setting\n", "line 2"),
        (b"\xff\xfe\x00garbage", "cannot be read"),
        (b"SECRET_KEYS=[not json\n", "JSON"),
        (b"ENVIRONMENT=staging\n", "ENVIRONMENT"),
        (b"PUBLIC_URL=example.com\n", "PUBLIC_URL"),
    ],
)
def test_invalid_env_file_raises_one_clear_error(folder: Path, content: bytes, reported: str) -> None:
    (folder / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reported):
        load(CoreSettings)


def test_error_does_not_show_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@host/db")
    with pytest.raises(ConfigurationError) as refused:
        load(DatabaseSettings)
    assert "DATABASE_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "errors"),
    [("", 1), ("short", 1), ("a" * 64, 1), (STRONG, 0)],
    ids=["missing", "short", "repeated", "good"],
)
def test_production_requires_a_strong_secret_key(key: str, errors: int) -> None:
    core = CoreSettings(secret_key=SecretStr(key), public_url="https://example.com")
    assert len(list(core.production_errors())) == errors


def test_production_requires_https() -> None:
    core = CoreSettings(secret_key=SecretStr(STRONG), public_url="http://example.com")
    assert ["PUBLIC_URL" in error for error in core.production_errors()] == [True]


def test_repr_hides_secrets() -> None:
    core = CoreSettings(secret_key=SecretStr(STRONG), secret_keys=[SecretStr("older" + STRONG)])
    database = DatabaseSettings(database_url=SecretStr("postgresql://me:hunter2@host/db"))
    assert STRONG not in repr(core)
    assert "hunter2" not in repr(database)


EVERY_SETTING = [
    (declared, name) for declared in list_settings_classes(disabled=DISABLED) for name in declared.model_fields
]


@pytest.mark.parametrize(("declared", "name"), EVERY_SETTING, ids=str)
def test_error_names_the_setting_and_the_expected_value(
    declared: type[SettingsBase], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = settings.env_name(declared, name)
    monkeypatch.setenv(setting, "un suitable/")
    message = ""
    try:
        load(declared)
    except ConfigurationError as error:
        message = str(error)
        assert setting in message
    annotation = declared.model_fields[name].annotation
    assert message or annotation not in (int, float, bool)
    assert annotation is not SecretStr or "un suitable" not in message
    assert not re.search(r"[Ii]nput|pars|validation|\\", message), message


def test_error_of_a_number_setting_asks_for_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PORT", "abc")
    with pytest.raises(ConfigurationError, match=r"^Invalid settings:\n  SMTP_PORT must be a whole number\.$"):
        load(EmailSettings)
