"""Where a project uses deprecated names and settings, and the commands that report it."""

from pathlib import Path

import pytest
import structlog

from tests.app.test_extensions import run, write_extension
from tests.enabled import SAME_MODULES
from undercroft.app.configuration import warn_of_deprecations
from undercroft.app.deprecated_uses import find_deprecated_imports
from undercroft.app.extension_check import GradeStatus, grade_source
from undercroft.core.context import AppContext, use_context
from undercroft.core.settings import reset

SOURCE = """\
import undercroft.core.ids
from undercroft.core import ids as own
from undercroft.core.ids import (
    new_id,
    UUID as Key,
)
a = undercroft.core.ids.UUID
def f(): return own.UUID
from uuid import UUID
b = UUID, own.new_id
text = "undercroft.core.ids.UUID"
"""


def test_uses_are_found_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("from undercroft.core.ids import UUID\nx = \n")
    found = list(find_deprecated_imports([tmp_path, tmp_path / "missing"]))
    assert [each.location for each in found] == [f"{tmp_path}/code.py:{line}" for line in (5, 7, 8)]
    assert {each.deprecation.code for each in found} == {"UC002"}


def test_doctor_reports_uses_of_the_project(tmp_path: Path) -> None:
    write_extension(tmp_path, {"service.py": "from undercroft.core.ids import UUID\n"})
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("import undercroft.core.ids\nundercroft.core.ids.UUID\n")
    (tmp_path / ".env").write_text("\nCAPTCHA_SECONDS=5\n")
    out = " ".join(run(tmp_path, "doctor").out.split())
    removed = "is deprecated since Undercroft 0.2 and will be removed in 0.4."
    assert f".env:2: UC001: CAPTCHA_SECONDS {removed} Use CAPTCHA_TIMEOUT." in out
    for location in ("extensions/hotel/service.py:1", "tests/test_it.py:2"):
        assert f"{location}: UC002: undercroft.core.ids.UUID {removed} Use uuid.UUID." in out
    (tmp_path / ".env").write_text("")
    assert "environment: UC001" in run(tmp_path, "doctor", CAPTCHA_SECONDS="5").out
    (tmp_path / "pyproject.toml").write_text('[tool.undercroft]\ncaptcha_seconds = "5"\n')
    assert "pyproject.toml:2: UC001" in run(tmp_path, "doctor").out
    explained = run(tmp_path, "explain", "CAPTCHA_SECONDS").out
    assert "CAPTCHA_TIMEOUT  setting" in explained
    assert "pyproject.toml:2" in explained


ROUTES = """
from datetime import date
from typing import Annotated
from fastapi import Query
from undercroft.core.http import Deprecation, Router
OLD = Deprecation(since=date(2025, 1, 1), sunset=date({year}, 1, 1), instead="q")
beds = Router(surface="public", prefix="/beds", tag="Hotel")
@beds.get("", summary="List beds")
async def list_beds(search: Annotated[str, Query(deprecated=OLD)] = "") -> list[str]:
    return [search]
"""


def test_doctor_reports_inputs_of_the_api_after_their_sunset(tmp_path: Path) -> None:
    write_extension(tmp_path, {"routes.py": ROUTES.format(year=2026)})
    out = " ".join(run(tmp_path, "doctor").out.split())
    assert "GET /api/v1/public/ext/hotel/beds: query parameter `search`: Deprecated since 2025-01-01." in out
    assert "Use `q`. The date has passed: remove it, or set a later `sunset`." in out
    (tmp_path / "extensions" / "hotel" / "routes.py").write_text(ROUTES.format(year=9999))
    out = " ".join(run(tmp_path, "doctor").out.split())
    assert "nothing deprecated is used; deprecated in the API: 1" in out
    explained = run(tmp_path, "explain", "GET /api/v1/public/ext/hotel/beds").out
    assert "query parameter `search`: Deprecated since 2025-01-01. It may be removed from 9999-01-01 on." in explained


def test_start_logs_what_is_deprecated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAPTCHA_SECONDS", "5")
    write_extension(tmp_path, {"service.py": "from undercroft.core.ids import UUID\n"}, "cabin")
    logged = {}
    for environment in ("development", "production"):
        reset()
        environ = {**SAME_MODULES, "ENVIRONMENT": environment, "CAPTCHA_SECONDS": "5", "ENABLED_EXTENSIONS": "cabin"}
        with use_context(AppContext(environ)):
            with structlog.testing.capture_logs() as logs:
                warn_of_deprecations()
            logged[environment] = [each["at"] for each in logs if each["event"] == "deprecation.used"]
    assert logged == {"development": ["environment", "extensions/cabin/service.py:1"], "production": ["environment"]}


def test_extension_check_grades_deprecated_names_as_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_extension(tmp_path, {"service.py": "\nfrom undercroft.core.ids import UUID\n"}, "cottage")
    grades = {each.rule: each for each in grade_source("cottage")}
    assert grades["deprecations"].status is GradeStatus.WARN
    assert grades["deprecations"].location == "extensions/cottage/service.py:2"
    assert grades["imports"].status is GradeStatus.OK
