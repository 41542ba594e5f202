"""The generated `.env.example`: complete, with the right defaults, and independent of earlier imports."""

import re
from pathlib import Path

import pytest

from tests.enabled import DISABLED
from undercroft.app.discovery import list_settings_classes
from undercroft.app.optional_modules import optional_modules
from undercroft.app.reference import render_env_example
from undercroft.core.settings import SettingsBase

ROOT = Path(__file__).parents[2]


@pytest.mark.requires_module(*optional_modules())
def test_env_example_is_up_to_date() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == render_env_example()


def test_every_setting_is_listed_once() -> None:
    names = re.findall(r"^# ([A-Z][A-Z0-9_]+)=", render_env_example(), re.MULTILINE)
    assert (
        len(names)
        == len(set(names))
        == sum(len(declared.model_fields) for declared in list_settings_classes(disabled=DISABLED))
    )
    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "SMTP_HOST", "PORT"} <= set(names)


def test_required_production_settings_are_listed_first() -> None:
    head = render_env_example().partition("# ---")[0]
    assert re.findall(r"^#   (\w+)$", head, re.MULTILINE) == [
        "SECRET_KEY",
        "PUBLIC_URL",
        "DATABASE_URL",
        "SMTP_HOST",
        "EMAIL_FROM",
    ]


@pytest.mark.parametrize("declared", list_settings_classes(disabled=DISABLED), ids=lambda declared: declared.__name__)
def test_using_every_line_of_the_example_changes_no_setting(
    declared: type[SettingsBase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in declared.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    taken_over = tmp_path / ".env"
    taken_over.write_text(re.sub(r"^# ([A-Z][A-Z0-9_]+=)", r"\1", render_env_example(), flags=re.MULTILINE))
    assert declared(_env_file=taken_over) == declared(_env_file=None)


def test_settings_class_of_another_package_is_not_listed() -> None:
    class Foreign(SettingsBase):
        foreign_setting: str = ""

    assert Foreign not in list_settings_classes(disabled=DISABLED)
