"""Settings: where they are read from, and what a person hears when they do not fit."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from undercroft.app.discovery import list_settings_classes
from undercroft.core import settings
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, Environment, SettingsBase, load
from undercroft.providers.email.settings import EmailSettings

STRONG = "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder to run in, with nothing in the environment, and everything as it was afterwards."""
    before = dict(settings._loaded)
    for name in ("ENVIRONMENT", "PUBLIC_URL", "SECRET_KEY", "DATABASE_URL", "UNDERCROFT_ENV_FILE", "APP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settings.reset()
    yield tmp_path
    settings.reset()
    settings._loaded.update(before)


def test_the_environment_is_production_unless_said_otherwise() -> None:
    assert load(CoreSettings).environment is Environment.PRODUCTION


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("APP_NAME=file\nPUBLIC_URL=https://file.example\n")
    monkeypatch.setenv("APP_NAME", "environment")
    assert load(CoreSettings).app_name == "environment"
    assert load(CoreSettings).public_url == "https://file.example"


def test_an_empty_value_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_NAME", "")
    assert load(CoreSettings).app_name == "Undercroft"


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
def test_a_corrupt_file_gets_one_clear_message(folder: Path, content: bytes, reported: str) -> None:
    (folder / ".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reported):
        load(CoreSettings)


def test_a_fault_never_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_production_wants_a_strong_secret(key: str, errors: int) -> None:
    core = CoreSettings(secret_key=SecretStr(key), public_url="https://example.com")
    assert len(list(core.production_errors())) == errors


def test_production_wants_https() -> None:
    core = CoreSettings(secret_key=SecretStr(STRONG), public_url="http://example.com")
    assert ["PUBLIC_URL" in error for error in core.production_errors()] == [True]


def test_secrets_are_not_in_the_repr() -> None:
    core = CoreSettings(secret_key=SecretStr(STRONG), secret_keys=[SecretStr("older" + STRONG)])
    database = DatabaseSettings(database_url=SecretStr("postgresql://me:hunter2@host/db"))
    assert STRONG not in repr(core)
    assert "hunter2" not in repr(database)


EVERY_SETTING = [(declared, name) for declared in list_settings_classes() for name in declared.model_fields]


@pytest.mark.parametrize(("declared", "name"), EVERY_SETTING, ids=str)
def test_every_invalid_setting_is_named_with_what_it_must_be(
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
    assert not re.search(r"[Ii]nput|pars|validat|\\", message), message


def test_a_number_setting_says_that_it_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PORT", "abc")
    with pytest.raises(ConfigurationError, match=r"^Invalid settings:\n  SMTP_PORT must be a whole number\.$"):
        load(EmailSettings)
