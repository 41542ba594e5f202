"""The rules about the files of a module: modules with one violation, and without."""

from pathlib import Path
from textwrap import dedent

import pytest

from undercroft.lint import check

MODULE = '"""Orders of a team."""\n\nfrom undercroft.core import Module\n\nMODULE = Module()\n'
ERROR = "from undercroft.core.errors import NotFound\n\nclass OrderNotFound(NotFound):\n    code = 'ORDER_NOT_FOUND'\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An extension that is a module."""
    package = tmp_path / "extensions" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MODULE)
    return package


def violations(shop: Path, name: str = "", code: str = "") -> list[tuple[str, int, str]]:
    """Return the file, line and rule of each violation after the file was added."""
    if name:
        (shop / name).parent.mkdir(exist_ok=True)
        (shop / name).write_text(dedent(code))
    return [(found.path.name, found.line, found.rule) for found in check([shop.parent])]


def test_module_with_standard_files_has_no_violation(shop: Path) -> None:
    (shop / "README.md").write_text("Orders")
    (shop / "service").mkdir()
    (shop / "service" / "prices.py").write_text("RATE = 1\n")
    (shop / "tests").mkdir()
    (shop / "tests" / "test_orders.py").write_text("class Broken(Exception): ...\n")
    assert violations(shop, "errors.py", ERROR) == []


@pytest.mark.parametrize("name", ["helpers.py", "utils/__init__.py", "notes.txt", "services.py"])
def test_unknown_file_is_reported(shop: Path, name: str) -> None:
    assert violations(shop, name) == [("__init__.py", 1, "module-file")]


def test_message_names_the_file_and_the_fix(shop: Path) -> None:
    (shop / "helpers.py").write_text("")
    (found,) = check([shop])
    assert str(found.message).startswith("helpers.py is not a file of a module; move it into service/, or use one of ")


SQL = {
    "select": "from sqlalchemy import select\nQUERY = select(1)",
    "select of sqlmodel": "import sqlmodel\nQUERY = sqlmodel.select(1)",
    "insert of a dialect": "from sqlalchemy.dialects.postgresql import insert\nQUERY = insert(TABLE)",
    "text": "from sqlalchemy import text\nQUERY = text('SELECT 1')",
    "execute": "async def f(session):\n    await session.execute(1)",
    "scalars of a member": "class S:\n    async def f(self): await self._session.scalars(1)",
    "fetch with a statement": "async def f(session):\n    await session.fetch(QUERY)",
    "fetchrow of the database": "class S:\n    async def f(self): await self._database.fetchrow(QUERY)",
    "get": "async def f(session):\n    await session.get(Order, 1)",
}


@pytest.mark.parametrize("code", SQL.values(), ids=SQL.keys())
def test_sql_outside_the_repository_is_reported(shop: Path, code: str) -> None:
    assert violations(shop, "service.py", code) == [("service.py", 2, "query-place")]


@pytest.mark.parametrize("name", ["routes.py", "tasks.py", "service/prices.py", "routes/admin.py"])
def test_sql_is_reported_in_every_other_file(shop: Path, name: str) -> None:
    assert violations(shop, name, SQL["select"]) == [(Path(name).name, 2, "query-place")]


@pytest.mark.parametrize("name", ["repository.py", "repository/orders.py", "migrations/0001_orders.py"])
def test_sql_in_the_repository_is_allowed(shop: Path, name: str) -> None:
    assert violations(shop, name, "\n".join(SQL.values())) == []


def test_sql_text_in_an_index_of_a_model_is_allowed(shop: Path) -> None:
    code = "from sqlalchemy import Index, text\nIndex('ix', 'id', postgresql_where=text('id IS NULL'))"
    assert violations(shop, "models.py", code) == []


ERRORS = {
    "application error": ERROR,
    "exception": "import os\n\nclass Broken(ValueError): ...\n",
    "subclass of an own error": "from shop.errors import OrderNotFound\n\nclass ItemNotFound(OrderNotFound): ...\n",
}


@pytest.mark.parametrize("code", ERRORS.values(), ids=ERRORS.keys())
def test_error_class_outside_errors_is_reported(shop: Path, code: str) -> None:
    (shop / "errors.py").write_text(ERROR)
    assert violations(shop, "service.py", code) == [("service.py", 3, "error-place")]


@pytest.mark.parametrize("name", ["errors.py", "tests/test_orders.py"])
def test_error_class_in_errors_and_tests_is_allowed(shop: Path, name: str) -> None:
    assert violations(shop, name, ERROR) == []


NOTE = """from sqlmodel import SQLModel
from undercroft.core.db import TenantOwned

class Owned(SQLModel):
    team_id: UUID

class Note({base}, table=True):
    __tablename__ = "shop_notes"{field}
"""
IDS = "from undercroft.testing import new_row\nIDS = {'note_id': new_row(Note)}\n"


@pytest.mark.parametrize(("base", "field"), [("SQLModel", "\n    team_id: UUID | None = None"), ("Owned", "")])
@pytest.mark.parametrize("testing", ["", "from shop.models import Note\n"])
def test_table_of_a_team_without_a_factory_for_the_attack_is_reported(
    shop: Path, base: str, field: str, testing: str
) -> None:
    (shop / "testing.py").write_text(testing)
    assert violations(shop, "models.py", NOTE.format(base=base, field=field)) == [("models.py", 7, "tenant-factory")]
    (found,) = check([shop])
    assert 'add a factory to testing.py of the module: IDS = {"note_id": new_row(Note)}' in found.message


@pytest.mark.parametrize(("base", "testing"), [("Owned", IDS), ("TenantOwned", ""), ("SQLModel", "")])
def test_table_with_a_factory_or_without_a_team_is_allowed(shop: Path, base: str, testing: str) -> None:
    (shop / "testing.py").write_text(testing)
    assert violations(shop, "models.py", NOTE.format(base=base, field="")) == []


@pytest.mark.parametrize(
    ("lines", "docstring", "expected"),
    [
        (2001, "Orders.", [("__init__.py", 1, "module-size")]),
        (1900, "Orders.", []),
        (2001, "Orders. It has more than 2,000 lines because orders are large.", []),
    ],
)
def test_large_module_states_the_reason(
    shop: Path, lines: int, docstring: str, expected: list[tuple[str, int, str]]
) -> None:
    (shop / "__init__.py").write_text(MODULE.replace("Orders of a team.", docstring))
    assert violations(shop, "service.py", "X = 1\n" * lines) == expected


@pytest.mark.parametrize(("names", "reported"), [(25, False), (26, True)])
def test_module_with_many_exports_states_the_reason(shop: Path, names: int, reported: bool) -> None:
    exported = [f"name_{number}" for number in range(names)]
    (shop / "__init__.py").write_text(f"{MODULE}\n__all__ = {exported}\n")
    assert violations(shop) == [("__init__.py", 1, "module-size")] * reported


def test_rules_apply_only_to_modules(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "helpers.py").write_text(ERROR)
    assert check([tmp_path]) == []


def test_models_of_extensions_are_tenant_models_by_their_full_name(shop: Path) -> None:
    (shop / "models.py").write_text(
        "from undercroft.core.db import TenantOwned\n\nclass Order(TenantOwned, table=True): __tablename__ = 'orders'\n"
    )
    code = "from extensions.shop.models import Order\nfrom sqlalchemy import select\nX = select(Order)\n"
    assert violations(shop, "repository.py", code) == [("repository.py", 3, "tenant-scope")]
