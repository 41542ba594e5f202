"""Imports of extensions."""

from pathlib import Path

import pytest

from undercroft.lint import check

MODULE = '"""Rooms."""\n\nfrom undercroft.core import Module\n\nMODULE = Module()\n'


@pytest.fixture
def hotel(tmp_path: Path) -> Path:
    folder = tmp_path / "extensions" / "hotel"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(MODULE)
    return folder


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("from undercroft.core.http import Router, Tag", ""),
        ("from undercroft.core import Module", ""),
        ("from undercroft.modules.users import User", ""),
        ("from undercroft.core import http", ""),
        ("import undercroft.jobs", ""),
        ("from extensions.hotel.models import Room", ""),
        ("import json, httpx", ""),
        ("from undercroft.core.http.router import Router", "Import it from undercroft.core.http."),
        ("from undercroft.modules.users.models import User", "Import it from undercroft.modules.users."),
        ("from undercroft.jobs import tsk", "Did you mean task?"),
        ("import undercroft.app.api", "undercroft.app.api is not public"),
        ("from undercroft.app import api", "undercroft.app.api is not public"),
        ("from extensions.spa import Pool", "belongs to another extension"),
        ("from extensions import spa", "belongs to another extension"),
    ],
)
def test_extension_imports_only_public_names(hotel: Path, line: str, expected: str) -> None:
    (hotel / "service.py").write_text(f"\n{line}\n")
    found = check([hotel])
    assert [(each.path.name, each.line, each.rule) for each in found] == (
        [("service.py", 2, "extension-import")] if expected else []
    )
    assert all(expected in each.message for each in found)


def test_tests_of_an_extension_may_import_anything(hotel: Path) -> None:
    (hotel / "tests").mkdir()
    (hotel / "tests" / "test_rooms.py").write_text("from undercroft.app.api import create_app\n")
    assert check([hotel]) == []


def test_undercroft_must_not_import_an_extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text("def f():\n    from extensions.hotel import rooms\n")
    monkeypatch.setattr("undercroft.lint.extension_imports.PACKAGE", tmp_path)
    (found,) = check([tmp_path / "core.py"])
    assert (found.line, found.rule) == (2, "extension-import")


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("cli/orders.py", "from undercroft.modules.shop import Order", []),
        ("cli/orders.py", "from undercroft.modules.shop.models import Order", ["module-import"]),
        ("testing/orders.py", "def f():\n    from undercroft.modules.shop import models", ["module-import"]),
        ("modules/teams/tasks.py", "import undercroft.modules.shop.models", ["module-import"]),
        ("modules/shop/service.py", "from undercroft.modules.shop.models import Order", []),
    ],
)
def test_only_a_module_itself_imports_its_private_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, line: str, expected: list[str]
) -> None:
    package = tmp_path / "undercroft"
    for folder in (package, package / "modules", package / "modules" / "shop", (package / file).parent):
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "__init__.py").touch()
    (package / "modules" / "shop" / "__init__.py").write_text("__all__ = ['Order']\n")
    (package / file).write_text(f"{line}\n")
    monkeypatch.setattr("undercroft.lint.extension_imports.PACKAGE", package)
    assert [found.rule for found in check([package / file])] == expected
