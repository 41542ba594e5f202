"""Count the rows of every table, to show that a request wrote nothing."""

from sqlalchemy import text
from sqlmodel import SQLModel

from undercroft.core.db import Database


async def count_rows(database: Database) -> dict[str, int]:
    """The number of rows of each table, jobs and messages included; without the counters of failed attempts.

    Models of other tests, whose tables do not exist in this database, are left out.
    """
    async with database.read_session() as session:
        existing = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        tables = sorted({*SQLModel.metadata.tables, "pgqueuer"}.intersection(existing) - {"auth_throttles"})
        query = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS rows FROM {table}" for table in tables)
        return {row.name: row.rows for row in (await session.execute(text(query))).all()}
