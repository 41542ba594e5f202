"""Deprecated names and settings work until they are removed, and warn about the line that uses them."""

import importlib
import re
from pathlib import Path
from uuid import UUID

import pytest
from packaging.version import Version

from undercroft.core.context import AppContext, use_context
from undercroft.core.deprecations import DEPRECATIONS, DeprecatedName, UndercroftDeprecationWarning
from undercroft.core.settings import load, reset
from undercroft.providers.captcha import CaptchaSettings

NAMES = [each for each in DEPRECATIONS if each.kind == "name"]


def test_table_is_consistent() -> None:
    codes = [each.code for each in DEPRECATIONS]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"UC\d{3}", code) for code in codes)
    assert all(Version(each.since) < Version(each.removal) for each in DEPRECATIONS)


@pytest.mark.parametrize("name", NAMES, ids=lambda each: each.code)
def test_deprecated_name_is_what_replaces_it(name: DeprecatedName) -> None:
    package, _, last = name.name.rpartition(".")
    other, _, replacement = name.instead.rpartition(".")
    with pytest.warns(UndercroftDeprecationWarning, match=name.code):
        found = getattr(importlib.import_module(package), last)
    assert found is getattr(importlib.import_module(other), replacement)
    assert last not in importlib.import_module(package).__all__


def test_import_warns_about_the_line_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uses_a_deprecated_name.py").write_text("\nfrom undercroft.core.ids import UUID\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UndercroftDeprecationWarning) as caught:
        module = importlib.import_module("uses_a_deprecated_name")
    assert module.UUID is UUID
    assert {(each.filename, each.lineno) for each in caught} == {(str(tmp_path / "uses_a_deprecated_name.py"), 2)}


def test_unknown_name_is_an_error_as_usual() -> None:
    with pytest.raises(ImportError, match="uuid8"):
        exec("from undercroft.core.ids import uuid8")


@pytest.mark.parametrize(
    ("environ", "timeout"),
    [
        ({}, 4),
        ({"CAPTCHA_SECONDS": "7"}, 7),
        ({"CAPTCHA_TIMEOUT": "8"}, 8),
        ({"CAPTCHA_SECONDS": "7", "CAPTCHA_TIMEOUT": "8"}, 8),
        ({"CAPTCHA_SECONDS": "7", "CAPTCHA_TIMEOUT": ""}, 7),
    ],
)
def test_setting_applies_under_its_former_name_unless_the_present_one_is_set(
    environ: dict[str, str], timeout: float
) -> None:
    reset()
    with use_context(AppContext(environ)):
        settings = load(CaptchaSettings)
        assert settings.captcha_timeout == timeout
        with pytest.warns(UndercroftDeprecationWarning, match="UC001") as caught:
            assert settings.captcha_seconds == timeout
    assert caught[0].filename == __file__
