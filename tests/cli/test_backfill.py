"""`undercroft backfill`, and `migrate upgrade` of a migration that requires a backfill, in a project."""

from pathlib import Path

import asyncpg

from tests.cli.command_runner import CommandResult, run_command

MODELS = """
from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel
from undercroft.core.db import Privacy

class Shelf(SQLModel, table=True):
    __tablename__ = "library_shelves"
    __privacy__ = Privacy("the shop", "until it is deleted", non_personal=("label",))
    id: int = Field(primary_key=True)
    label: str | None = Field(default=None, sa_type=Text, nullable={nullable})
"""
BACKFILLS = """
from sqlmodel import col
from extensions.library.models import Shelf
from extensions.library.repository import label_shelves
from undercroft.core.db import Session
from undercroft.jobs import backfill

@backfill(Shelf, where=col(Shelf.label).is_(None), batch=10, pause=0)
async def label(session: Session, ids: list[int]) -> None:
    await label_shelves(session, ids)
"""
REPOSITORY = """
from sqlalchemy import update
from sqlmodel import col
from extensions.library.models import Shelf
from undercroft.core.db import Session

async def label_shelves(session: Session, ids: list[int]) -> None:
    await session.execute(update(Shelf).where(col(Shelf.id).in_(ids)).values(label="labeled"))
"""
MIGRATION = """
from alembic import op
revision, down_revision = {revision!r}, {down!r}
{more}

def upgrade() -> None:
    op.execute({sql!r})

def downgrade() -> None:
    op.execute("SELECT 1")
"""
CREATE = "CREATE TABLE library_shelves (id int CONSTRAINT pk_library_shelves PRIMARY KEY, label text)"
REQUIRE = "ALTER TABLE library_shelves ALTER label SET NOT NULL"
ACCEPTED = 'accepted_risks = {"set not null": "Few shelves."}'


def write(folder: Path, name: str, text: str) -> None:
    file = folder / "extensions" / "library" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def write_migration(folder: Path, revision: str, down: str | None, sql: str, more: str = "") -> None:
    text = MIGRATION.format(revision=revision, down=down, sql=sql, more=more)
    write(folder, f"migrations/versions/{revision}.py", text)


async def test_migration_waits_for_its_backfill(migrated_database_url: str, tmp_path: Path) -> None:
    def run(*words: str) -> CommandResult:
        environment = {"DATABASE_URL": migrated_database_url, "ENABLED_EXTENSIONS": "library"}
        return run_command(*words, folder=tmp_path, ENVIRONMENT="development", **environment)

    write(tmp_path, "__init__.py", '"""Shelves."""\nfrom undercroft.core import Module\nMODULE = Module()\n')
    write(tmp_path, "models.py", MODELS.format(nullable=True))
    write(tmp_path, "repository.py", REPOSITORY)
    write(tmp_path, "backfills.py", BACKFILLS)
    write_migration(tmp_path, "0001_shelves", None, CREATE)
    assert run("migrate", "upgrade").code == 0
    database = await asyncpg.connect(migrated_database_url)
    try:
        await database.execute("INSERT INTO library_shelves SELECT n FROM generate_series(1, 25) AS n")
        listed = run("backfill", "list")
        assert (listed.code, "library.label  queued" in listed.out) == (0, True), listed.output
        assert run("backfill", "pause", "library.label").out == "library.label is now paused.\n"
        write_migration(
            tmp_path, "0002_required", "0001_shelves", REQUIRE, f'requires_backfill = "library.labl"\n{ACCEPTED}'
        )
        unknown = run("migrate", "upgrade")
        assert (unknown.code, "The backfill library.labl has not been completed" in unknown.err) == (2, True), unknown

        write_migration(
            tmp_path, "0002_required", "0001_shelves", REQUIRE, f'requires_backfill = "library.label"\n{ACCEPTED}'
        )
        assert "backfill   library.label is completed before it" in run("migrate", "plan").out
        waiting = run("migrate", "upgrade")
        assert waiting.code == 2
        assert "The migration 0002_required waits for a backfill. The backfill library.label is paused" in waiting.err
        assert await database.fetchval("SELECT count(*) FROM library_shelves WHERE label IS NULL") == 25

        assert run("backfill", "resume", "library.label").out == "library.label is now queued.\n"
        upgraded = run("migrate", "upgrade")
        assert upgraded.code == 0, upgraded.output
        assert "library.label: 10 of 25 rows (40%)" in upgraded.out
        assert await database.fetchval("SELECT count(*) FROM library_shelves WHERE label = 'labeled'") == 25
        listed = run("backfill", "list")
        assert "completed" in listed.out, listed.output
        assert "25 of 25" in listed.out
        assert run("backfill", "run", "library.label").out == "library.label is complete.\n"
        refused = run("backfill", "pause", "library.label")
        assert (refused.code, refused.err.startswith("Error: The backfill is completed. Only one that is queued")) == (
            1,
            True,
        )
        misspelled = run("backfill", "run", "library.labl")
        assert (misspelled.code, "Did you mean library.label?" in misspelled.err) == (2, True)
        misspelled = run("backfill", "pause", "library.labl")
        assert (misspelled.code, "Did you mean library.label?" in misspelled.err) == (2, True)
    finally:
        await database.close()
