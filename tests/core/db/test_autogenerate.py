"""`migrate new`: generated migrations, detected renames, and models without changes."""

import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table
from sqlmodel import SQLModel

from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History, NoChangesDetected

MADE = """
CREATE TABLE shelf (id integer NOT NULL, name varchar(40), size integer, CONSTRAINT pk_shelf PRIMARY KEY (id))
"""


class Models:
    """Tables of one test, in addition to those of the application."""

    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata
        self._names: list[str] = []

    def table(self, name: str, *columns: Column[Any]) -> None:
        key = Column("id", Integer, primary_key=True, autoincrement=False)
        Table(name, self._metadata, key, *columns)
        self._names.append(name)

    def clear(self) -> None:
        for name in self._names:
            self._metadata.remove(self._metadata.tables[name])


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models(SQLModel.metadata)
    yield models
    models.clear()


@pytest.fixture
def shop(tmp_path: Path) -> History:
    write(tmp_path, "0001_shelf", None, execute(MADE), undo=execute("DROP TABLE shelf"))
    return History("shop", tmp_path, frozenset({"shelf", "rack"}))


async def _create_and_upgrade(url: str, history: History) -> None:
    await migrations.upgrade(url, [history])
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO shelf VALUES (1, 'oak', 7)")
    await connection.close()


async def _rows(url: str, table: str) -> list[dict[str, object]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]
    finally:
        await connection.close()


def _shelf(models: Models, *columns: Column[Any]) -> None:
    models.table("shelf", *columns)


async def test_create_writes_nothing_when_models_match_the_database(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    _shelf(models, Column("name", String(40)), Column("size", Integer))
    before = sorted(shop.versions.iterdir())
    with pytest.raises(NoChangesDetected):
        await migrations.create(empty_database_url, shop, "nothing at all")
    assert sorted(path for path in shop.versions.iterdir() if path.suffix == ".py") == [
        path for path in before if path.suffix == ".py"
    ]


async def test_column_rename_preserves_values_in_both_directions(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    _shelf(models, Column("title", String(40), index=True), Column("size", Integer))

    created = await migrations.create(empty_database_url, shop, "rename")

    assert [str(rename) for rename in created.renames] == ["shelf.name to shelf.title"]
    assert "drop_column" not in created.file.read_text()
    assert await migrations.upgrade(empty_database_url, [shop], lossless=True) == ["0002_rename"]
    assert await _rows(empty_database_url, "shelf") == [{"id": 1, "title": "oak", "size": 7}]
    assert await migrations.differences(empty_database_url, shop) == []
    await migrations.downgrade(empty_database_url, shop, "-1")
    assert await _rows(empty_database_url, "shelf") == [{"id": 1, "name": "oak", "size": 7}]


async def test_column_with_another_type_is_dropped_and_added_and_not_run_automatically(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    _shelf(models, Column("title", String(80)), Column("size", Integer))

    created = await migrations.create(empty_database_url, shop, "replace")

    assert created.renames == ()
    assert await migrations.upgrade(empty_database_url, [shop], lossless=True) == []
    assert await _rows(empty_database_url, "shelf") == [{"id": 1, "name": "oak", "size": 7}]


class Status(StrEnum):
    OPEN = "open"


async def test_new_required_column_gets_the_default_of_the_model(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    defaults = {
        "price": (Integer, 5),
        "status": (String, Status.OPEN),
        "note": (String, '50% off: "now"'),
        "new": (Boolean, True),
    }
    added = [Column(name, type_, default=value, nullable=False) for name, (type_, value) in defaults.items()]
    _shelf(models, Column("name", String(40)), Column("size", Integer), *added)

    await migrations.create(empty_database_url, shop, "price")

    assert await migrations.upgrade(empty_database_url, [shop], lossless=True) == ["0002_price"]
    expected = {"price": 5, "status": "open", "note": '50% off: "now"', "new": True}
    assert await _rows(empty_database_url, "shelf") == [{"id": 1, "name": "oak", "size": 7, **expected}]
    assert await migrations.differences(empty_database_url, shop) == []


async def test_ambiguous_column_renames_are_not_detected(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    _shelf(models, Column("title", String(40)), Column("label", String(40)), Column("size", Integer))
    assert (await migrations.create(empty_database_url, shop, "two ways")).renames == ()


async def test_table_rename_preserves_rows_in_both_directions(
    empty_database_url: str, shop: History, models: Models
) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    models.table("rack", Column("name", String(40)), Column("size", Integer))

    created = await migrations.create(empty_database_url, shop, "rename the table")

    assert [str(rename) for rename in created.renames] == ["shelf to rack"]
    assert await migrations.upgrade(empty_database_url, [shop], lossless=True) == ["0002_rename_the_table"]
    assert await _rows(empty_database_url, "rack") == [{"id": 1, "name": "oak", "size": 7}]
    assert await migrations.differences(empty_database_url, shop) == []
    await migrations.downgrade(empty_database_url, shop, "-1")
    assert await _rows(empty_database_url, "shelf") == [{"id": 1, "name": "oak", "size": 7}]


async def test_generated_file_is_formatted(empty_database_url: str, shop: History, models: Models) -> None:
    await _create_and_upgrade(empty_database_url, shop)
    more = [Column(f"column_with_a_long_name_{number}", String(40)) for number in range(9)]
    _shelf(models, Column("name", String(40)), Column("size", Integer), *more)
    names = [f"column_with_a_long_name_{number}" for number in range(9)]
    Index("ix_shelf_long", *(SQLModel.metadata.tables["shelf"].c[name] for name in names))

    created = await migrations.create(empty_database_url, shop, "many")

    for words in (("format", "--check"), ("check", "--select", "F,I")):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, created.file], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout


async def test_first_migration_of_a_module_creates_its_history(
    empty_database_url: str, tmp_path: Path, models: Models
) -> None:
    models.table("rack", Column("name", String(40)))
    fresh = History("fresh", tmp_path / "module" / "migrations", frozenset({"rack"}))

    created = await migrations.create(empty_database_url, fresh, "racks")

    assert created.file == fresh.folder / "versions" / "0001_racks.py"
    assert await migrations.upgrade(empty_database_url, [fresh]) == ["0001_racks"]
    assert await migrations.differences(empty_database_url, fresh) == []
    await migrations.downgrade(empty_database_url, fresh, "base")
    assert "rack" not in await migrations.tables(empty_database_url)
