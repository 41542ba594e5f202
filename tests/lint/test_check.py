"""`undercroft check`: code with violations, code without, and this repository."""

from pathlib import Path
from textwrap import dedent

import pytest

import undercroft
from undercroft.lint import RULES, check

SOURCE = Path(undercroft.__file__).parent
HEAD = "from undercroft.modules.projects.models import Project\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An extension with a tenant model."""
    package = tmp_path / "extensions" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from shop.models import Order\n")
    (package / "models.py").write_text(
        dedent("""
        from undercroft.core.db import TenantOwned, Timestamped

        class Base(TenantOwned, Timestamped):
            pass

        class Order(Base, table=True):
            __tablename__ = "shop_orders"
        """)
    )
    return package


def rules_in(folder: Path, name: str, code: str) -> list[str]:
    (folder / name).write_text(dedent(code))
    return [found.rule for found in check([folder])]


QUERIES = {
    "select": "from sqlmodel import select\nselect(Project)",
    "select of sqlalchemy": "import sqlalchemy as sa\nsa.select(Project)",
    "select by its own module": "from sqlalchemy.sql import select as pick\npick(Project.id)",
    "select of a wrapped column": "from sqlmodel import col, select\nselect(col(Project.id)).limit(3)",
    "count": "from sqlalchemy import func, select\nselect(func.count(Project.id))",
    "select_from": "from sqlalchemy import func, select\nselect(func.count()).select_from(Project)",
    "join": "from sqlmodel import select\nfrom undercroft.modules.teams import Team\nselect(Team).join(Project)",
    "join of sqlalchemy": "from sqlalchemy import join\njoin(Project, Project)",
    "update": "from sqlalchemy import update\nupdate(Project).values(name='x')",
    "delete": "from sqlalchemy import delete\ndelete(Project)",
    "insert": "from sqlalchemy.dialects.postgresql import insert\ninsert(Project)",
    "exists": "from sqlalchemy import exists\nexists(Project.id)",
    "alias": "from sqlalchemy.orm import aliased\nfrom sqlmodel import select\nP = aliased(Project)\nselect(P)",
    "another name": "from sqlmodel import select\nP = Project\nselect(P.id)",
    "get": "async def f(session): return await session.get(Project, 1)",
    "get on something": "async def f(self): return await self.thing.orm.get(Project, 1)",
    "add": "def f(session): session.add(Project(name='x'))",
    "add later": "def f(session):\n    made = Project(name='x')\n    session.add(made)",
    "add all": "def f(session): session.add_all([Project(name=n) for n in 'ab'])",
    "table": "Project.__table__.select()",
    "legacy query": "def f(session): return session.query(Project).all()",
}


@pytest.mark.parametrize("code", QUERIES.values(), ids=QUERIES.keys())
def test_query_outside_the_repository_is_reported(tmp_path: Path, code: str) -> None:
    assert "tenant-query" in rules_in(tmp_path, "report.py", HEAD + code)


@pytest.mark.parametrize(("entity", "expected"), [("Project", ["tenant-query"]), ("User", [])])
def test_query_of_extra_fields_is_reported_if_the_entity_belongs_to_a_team(
    shop: Path, entity: str, expected: list[str]
) -> None:
    (shop / "fields.py").write_text(
        "from undercroft.core.db import ExtraFields\nfrom undercroft.modules.projects import Project\n"
        f"from undercroft.modules.users import User\nclass Fields(ExtraFields, entity={entity}): ...\n"
    )
    code = "from shop.fields import Fields\nfrom sqlmodel import select\nselect(Fields)"
    assert rules_in(shop, "report.py", code) == expected


@pytest.mark.parametrize(
    "head",
    [
        "from undercroft.modules.projects.models import Project as P",
        "import undercroft.modules.projects.models as m\nP = m.Project",
        "import undercroft.modules.projects.models\nP = undercroft.modules.projects.models.Project",
        "from undercroft.modules.projects import models\nP = models.Project",
        "from undercroft.modules.projects.models import *\nP = Project",
    ],
)
def test_query_is_reported_for_every_form_of_import(tmp_path: Path, head: str) -> None:
    code = f"{head}\nfrom sqlmodel import select\nselect(P)"
    assert "tenant-query" in rules_in(tmp_path, "report.py", code)


@pytest.mark.parametrize("head", ["from shop import Order", "from shop.models import Order", "from . import Order"])
def test_tenant_models_of_extensions_are_known(shop: Path, head: str) -> None:
    found = rules_in(shop, "service.py", f"{head}\nfrom sqlmodel import select\nselect(Order)")
    assert found == ["tenant-query"]


def test_query_in_the_repository_of_another_module_is_reported(shop: Path) -> None:
    code = (
        f"{HEAD}from sqlmodel import select\ndef f(team_id): return select(Project).where(Project.team_id == team_id)"
    )
    assert rules_in(shop, "repository.py", code) == ["tenant-query"]


REPOSITORY = """
from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlmodel import col
from undercroft.core.db import Statement
from undercroft.core.db.repository import Repository, TenantRepository
from shop.models import Order

TEAM_FILTER = (col(Order.team_id) == bindparam("team_id"),)
"""
SCOPED = {
    "by column": "X = Statement(select(Order).where(col(Order.team_id) == bindparam('team_id')))",
    "by a name": "X = select(func.count()).select_from(Order).where(*TEAM_FILTER)",
    "insert": "X = insert(Order).values({n: bindparam(n) for n in ('id', 'team_id')})",
    "begins with _query": """
class R(TenantRepository[Order]):
    model = Order
    async def f(self):
        return await self._first(self._query().join(Order))
    async def g(self):
        query = select(self.model)
        query = query.where(self._column("team_id") == self.team_id)
        return query
    def _query(self, *, deleted=False):
        return super()._query(deleted=deleted).where(col(Order.id) != None)
""",
    "sql": "X = 'SELECT * FROM shop_orders WHERE team_id = $1'",
}
UNSCOPED = {
    "statement": "X = Statement(select(Order).where(col(Order.id) == bindparam('id')))",
    "count": "X = select(func.count()).select_from(Order)",
    "delete": "X = delete(Order)",
    "in a method": "class R(TenantRepository[Order]):\n    model = Order\n    def f(self): return select(self.model)",
    "in a method, update": "class R(TenantRepository[Order]):\n    model = Order\n"
    "    def f(self, key): return update(self.model).where(self._column('id') == key)",
    "beside a scoped one": "class R(TenantRepository[Order]):\n    model = Order\n    def f(self):\n"
    "        first = self._query()\n        second = select(Order)\n        return first, second",
    "a query that drops the team": "class R(TenantRepository[Order]):\n    model = Order\n"
    "    def _query(self, *, deleted=False): return self._everything()",
    "a repository of all": "class R(Repository[Order]):\n    model = Order",
}


@pytest.mark.parametrize("code", SCOPED.values(), ids=SCOPED.keys())
def test_repository_with_team_filter_is_accepted(shop: Path, code: str) -> None:
    assert rules_in(shop, "repository.py", REPOSITORY + code) == []


@pytest.mark.parametrize("code", UNSCOPED.values(), ids=UNSCOPED.keys())
def test_repository_without_team_filter_is_reported(shop: Path, code: str) -> None:
    assert rules_in(shop, "repository.py", REPOSITORY + code) == ["tenant-scope"]


SQL = {
    "text": "from sqlalchemy import text\ntext('SELECT * FROM projects')",
    "small letters": "from sqlalchemy import text\ntext('select * from projects where id = 1')",
    "a constant": "FIND = 'SELECT name FROM users JOIN public.projects p ON true'",
    "an f-string": "def f(w): return f'DELETE FROM {w}.projects WHERE x'",
    "update": 'SQL = """\n  UPDATE "projects" SET name = $1\n"""',
    "listed": "SQL = 'SELECT 1 FROM users u, projects p'",
    "insert": "async def f(raw): await raw.execute('INSERT INTO projects VALUES (1)')",
    "truncate": "SQL = 'TRUNCATE projects'",
}


@pytest.mark.parametrize("code", SQL.values(), ids=SQL.keys())
def test_sql_on_a_tenant_table_outside_the_repository_is_reported(tmp_path: Path, code: str) -> None:
    assert rules_in(tmp_path, "report.py", code) == ["tenant-sql"]


def test_sql_in_the_repository_must_filter_by_team(shop: Path) -> None:
    assert rules_in(shop, "repository.py", "SQL = 'SELECT * FROM shop_orders'") == ["tenant-sql"]


SETTINGS = {
    "set": "async def f(raw): await raw.execute('SET statement_timeout = 0')",
    "after another": "SQL = \"BEGIN; SET undercroft.team_id = 'x'\"",
    "session": "SQL = 'SET SESSION search_path TO other'",
    "role": "SQL = 'SET ROLE owner'",
    "set_config": "SQL = \"SELECT set_config('undercroft.team_id', $1, false)\"",
    "func.set_config": "from sqlalchemy import func\nfunc.set_config('undercroft.team_id', 'x', False)",
    "an f-string": "def f(n): return f'SET {n} = 1'",
}


@pytest.mark.parametrize("code", SETTINGS.values(), ids=SETTINGS.keys())
def test_persistent_session_setting_is_reported(tmp_path: Path, code: str) -> None:
    assert rules_in(tmp_path, "report.py", code) == ["session-setting"]


OTHERS = {
    "commit": ("service.py", "async def f(session): await session.commit()", "transaction"),
    "rollback": ("tasks.py", "async def f(s): await s.orm.rollback()", "transaction"),
    "middleware": ("a.py", "from starlette.middleware.base import BaseHTTPMiddleware", "middleware"),
    "middleware by attribute": (
        "a.py",
        "import starlette.middleware.base as b\nX = b.BaseHTTPMiddleware",
        "middleware",
    ),
    "decorated": ("a.py", "@app.middleware('http')\nasync def f(request, call_next): ...", "middleware"),
}


@pytest.mark.parametrize(("name", "code", "rule"), OTHERS.values(), ids=OTHERS.keys())
def test_other_rules_report_violations(tmp_path: Path, name: str, code: str, rule: str) -> None:
    assert rules_in(tmp_path, name, code) == [rule]


INNOCENT = {
    "a type": "def f(p: Project) -> list[Project]: return [p]",
    "making one": "def f(): return Project(name='x')",
    "for a repository": "async def f(projects): await projects.create(Project(name='x'))",
    "a criterion": "from sqlmodel import col\nasync def f(r): return await r.list(col(Project.name) == 'x')",
    "isinstance": "def f(x): return isinstance(x, Project)",
    "words": "TEXT = 'Make, change, update projects and delete them from projects.'",
    "a docstring": '"""SELECT * FROM projects is forbidden."""',
    "another table": "SQL = 'SELECT * FROM projects_archive'",
    "update set": "SQL = 'UPDATE users SET name = $1'",
    "set local": "SQL = \"BEGIN; SET LOCAL lock_timeout = '5s'; SELECT set_config('a.b', $1, true)\"",
    "a dict": "def f(d): return d.get('Project')",
    "commit of something": "def f(repo): repo.commit('message')",
    "another library": "from mylib import select\nselect(Project)",
}


@pytest.mark.parametrize("code", INNOCENT.values(), ids=INNOCENT.keys())
def test_valid_code_is_accepted(tmp_path: Path, code: str) -> None:
    assert rules_in(tmp_path, "report.py", HEAD + code) == []


ALLOWED = "# undercroft: allow tenant-query because a report over all teams"


@pytest.mark.parametrize("code", [f"select(Project)  {ALLOWED}", f"{ALLOWED}\nselect(\n    Project\n)"])
def test_line_is_allowed_with_a_reason(tmp_path: Path, code: str) -> None:
    assert rules_in(tmp_path, "report.py", f"{HEAD}from sqlmodel import select\n{code}") == []


@pytest.mark.parametrize(
    "comment",
    ["allow tenant-query", "allow tenant-query because so", "allow everything because it is such a nuisance"],
)
def test_suppression_without_a_reason_is_reported(tmp_path: Path, comment: str) -> None:
    code = f"{HEAD}from sqlmodel import select\nselect(Project)  # undercroft: {comment}"
    assert "allow" in rules_in(tmp_path, "report.py", code)


def test_unused_suppression_is_reported(tmp_path: Path) -> None:
    code = "X = 1  # undercroft: allow tenant-query because there was a query once"
    assert rules_in(tmp_path, "report.py", code) == ["allow"]


def test_violation_contains_location_and_fix(shop: Path) -> None:
    (shop / "service.py").write_text(
        "from sqlmodel import select\nfrom shop.models import Order\n\nX = select(Order)\n"
    )
    (found,) = check([shop])
    assert str(found).startswith(f"{shop / 'service.py'}:4: ")
    assert "outside shop.repository; call a method of its TenantRepository" in str(found)
    assert found.rule in RULES


def test_this_repository_has_no_violations() -> None:
    assert [str(found) for found in check([SOURCE])] == []
