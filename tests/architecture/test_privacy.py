"""Every table declares its data subject and retention, and every text column is classified (DATA-7)."""

import asyncpg
import pytest
from sqlalchemy import ARRAY, JSON, Column, String
from sqlmodel import Field, SQLModel

from undercroft.app.registry import get_registry
from undercroft.core.db import ColumnContent, Erasure, Privacy
from undercroft.core.db.privacy import declarations

NO_MODEL = {
    "undercroft_migrations": "applied migrations and the SQL that takes them back",
    "undercroft_release": "the version of the release that last upgraded the database",
    "pgqueuer": "messages of jobs: the payload is the id of a row in `jobs`",
    "pgqueuer_log": "of messages: ids and states, for a day",
    "pgqueuer_statistics": "counts of messages",
    "pgqueuer_schedules": "empty: schedules are rows of `job_schedules`",
}
TABLES = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
AND relnamespace = 'public'::regnamespace AND relname NOT LIKE '%alembic_version'
"""


def is_text(column: Column[object]) -> bool:
    """Whether values of this column are words: text, JSON, or lists of them; not hashes, and not states."""
    kind = column.type.item_type if isinstance(column.type, ARRAY) else column.type
    return isinstance(getattr(kind, "impl_instance", kind), String | JSON)


def problems(declared: dict[str, Privacy | None]) -> list[str]:
    found = []
    for name, privacy in declared.items():
        table = SQLModel.metadata.tables[name]
        if privacy is None:
            found.append(f"{name} declares nothing")
            continue
        texts = {column.name for column in table.columns if is_text(column)}
        classified = {*privacy.personal, *privacy.non_personal}
        found += [f"{name}.{column} is not classified" for column in sorted(texts - classified)]
        found += [f"{name}.{column} does not exist" for column in sorted(classified - set(table.columns.keys()))]
        found += [f"{name}.{column} is both" for column in sorted(set(privacy.personal) & set(privacy.non_personal))]
        found += [f"{name} erases by {each.column}" for each in privacy.erasures if each.column not in table.columns]
        if privacy.personal and not privacy.erasures and not privacy.erasure_note:
            found.append(f"{name} has personal columns and no erasure")
        users = [column.name for column in table.columns if column.name == "user_id"]
        if users and not privacy.erasures and not privacy.erasure_note and privacy.non_personal != ALL_IDS:
            found.append(f"{name} belongs to a user and has no erasure")
    return found


ALL_IDS = ("action", "actor_kind", "target_type", "request_id", "before", "after", "details")
"""The audit log: entries hold ids alone and stay."""


def test_every_table_declares_its_privacy() -> None:
    get_registry().load_models()
    declared = declarations()
    assert "users" in declared
    assert problems(declared) == []


async def test_every_table_of_the_database_is_declared(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    tables = {row[0] for row in await connection.fetch(TABLES)}
    await connection.close()
    assert tables == {*declarations(), *NO_MODEL}


@pytest.mark.parametrize(
    ("privacy", "problem"),
    [
        (None, "declares nothing"),
        (Privacy("the user", "a day"), "note is not classified"),
        (Privacy("the user", "a day", personal=("note",)), "has personal columns and no erasure"),
        (Privacy("the user", "a day", non_personal=("note", "gone")), "gone does not exist"),
        (Privacy("the user", "a day", non_personal=("note",)), "belongs to a user and has no erasure"),
        (Privacy("the user", "a day", personal=("note",), non_personal=("note",)), "note is both"),
        (
            Privacy("the user", "a day", non_personal=("note",), erasures=(Erasure("gone", ColumnContent.EMAIL),)),
            "erases by gone",
        ),
    ],
)
def test_table_that_declares_too_little_is_reported(privacy: Privacy | None, problem: str) -> None:
    class Undeclared(SQLModel, table=True):
        __tablename__ = "test_undeclared"

        user_id: int = Field(primary_key=True)
        note: str

    try:
        assert any(problem in each for each in problems({"test_undeclared": privacy}))
    finally:
        SQLModel.metadata.remove(Undeclared.__table__)  # type: ignore[attr-defined]
        SQLModel._sa_registry._dispose_cls(Undeclared)
