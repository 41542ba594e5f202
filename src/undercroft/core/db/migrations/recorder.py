"""The record of applied migrations, next to Alembic's version tables: their predecessors and how to revert them.

It lets a release recognize the migrations of a newer one, and a database revert a migration whose file is missing. The
owner of the tables executes the stored statements, so other roles may read the other columns and write nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Boolean, Column, Connection, MetaData, String, Table, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from undercroft.core.db.migrations.history import MissingMigration

TABLE = Table(
    "undercroft_migrations",
    MetaData(),
    Column("history", String, primary_key=True),
    Column("revision", String, primary_key=True),
    Column("down_revision", String),
    Column("backward_compatible", Boolean, nullable=False),
    Column("downgrade", ARRAY(String)),
    Column("committed", ARRAY(String)),
)
"""`downgrade` is NULL if the migration cannot be reverted by statements alone. `committed` are the statements of a
migration that committed a part of itself and is not applied yet; NULL for an applied one."""

_READABLE_COLUMNS = ("history", "revision", "down_revision", "backward_compatible")


def restrict_sql(table: str, readable: Sequence[str]) -> str:
    """The statement that lets roles other than the owner only read these columns of a table."""
    return f"""
DO $$ DECLARE other regrole; BEGIN
    FOR other IN SELECT DISTINCT acl.grantee::regrole FROM pg_class c, aclexplode(c.relacl) acl
        WHERE c.oid = '{table}'::regclass AND acl.grantee NOT IN (0, c.relowner) LOOP
        EXECUTE format('REVOKE ALL ON {table} FROM %s', other);
        EXECUTE format('GRANT SELECT ({", ".join(readable)}) ON {table} TO %s', other);
    END LOOP;
END $$"""  # noqa: S608 - only constants


def ensure_table(connection: Connection) -> None:
    """Create the table if it does not exist, and revoke all but reading from other roles."""
    TABLE.create(connection, checkfirst=True)
    connection.exec_driver_sql(f"ALTER TABLE {TABLE.name} ADD COLUMN IF NOT EXISTS committed text[]")
    connection.exec_driver_sql(restrict_sql(TABLE.name, _READABLE_COLUMNS))


def record_applied(connection: Connection, history: str, row: Mapping[str, Any]) -> None:
    """Record an applied migration; `row` has the columns of `TABLE` except `history`."""
    values = {"history": history, **row, "committed": None}
    statement = insert(TABLE).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["history", "revision"], set_=values))


def record_committed(connection: Connection, history: str, revision: str, statements: Sequence[str]) -> None:
    """Record the statements that a migration commits before it is applied."""
    values = {"history": history, "revision": revision, "backward_compatible": True, "committed": list(statements)}
    statement = insert(TABLE).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["history", "revision"], set_=values))


def committed_statements(connection: Connection, history: str, revision: str) -> list[str] | None:
    """The statements that an interrupted run of a migration committed; None if it committed nothing."""
    wanted = (TABLE.c.history == history) & (TABLE.c.revision == revision)
    found: list[str] | None = connection.scalar(select(TABLE.c.committed).where(wanted))
    return found


def record_unapplied(connection: Connection, history: str, revision: str) -> None:
    """Remove a reverted migration."""
    connection.execute(delete(TABLE).where(TABLE.c.history == history, TABLE.c.revision == revision))


def applied_migrations(connection: Connection, history: str) -> dict[str, MissingMigration]:
    """The recorded migrations of one history by revision; empty in a database without the table."""
    if not _exists(connection):
        return {}
    columns = (TABLE.c.revision, TABLE.c.down_revision, TABLE.c.backward_compatible)
    rows = connection.execute(select(*columns).where(TABLE.c.history == history))
    return {row.revision: MissingMigration(*row, recorded=True) for row in rows}


def downgrade_statements(connection: Connection, history: str) -> dict[str, list[str] | None]:
    """The stored statements that revert each migration; None for one without such statements."""
    if not _exists(connection):
        return {}
    rows = connection.execute(select(TABLE.c.revision, TABLE.c.downgrade).where(TABLE.c.history == history))
    return {row.revision: row.downgrade for row in rows}


def _exists(connection: Connection) -> bool:
    found = text("SELECT to_regclass(:name) IS NOT NULL").bindparams(bindparam("name", TABLE.name))
    return bool(connection.scalar(found))
