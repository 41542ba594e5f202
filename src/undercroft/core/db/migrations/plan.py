"""What an upgrade would do, and whether something stands in its way, without changing anything."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import asyncpg
import structlog
from alembic.script import Script
from msgspec import Struct

from undercroft.core.db.connect import open_connection
from undercroft.core.db.migrations.executor import find_loss, require_continuous, required_backfills
from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.risk_check import MigrationRisk, find_risks
from undercroft.core.db.migrations.risks import BREAKING
from undercroft.core.db.migrations.runner import LOCK_KEY, get_script, render_migration
from undercroft.core.db.migrations.statements import split_statements
from undercroft.core.db.migrations.status import get_statuses
from undercroft.core.db.migrations.table_locks import POLL, LockMonitor, find_locks

log = structlog.get_logger("undercroft.application")

_LONG = 10  # seconds
_WRITABLE = "SELECT NOT pg_is_in_recovery() AND has_schema_privilege('public', 'CREATE')"
_FOREIGN = """
SELECT relname FROM pg_class
WHERE relname = ANY ($1) AND relnamespace = 'public'::regnamespace AND NOT pg_has_role(relowner, 'USAGE') ORDER BY 1
"""
_MIGRATING = """
SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE locktype = 'advisory' AND granted AND d.datname = current_database()
    AND (classid::bigint << 32) | objid::bigint = $1
"""
_OLD_TRANSACTIONS = """
SELECT format('PID %s (%s, for %s s)', pid, coalesce(nullif(application_name, ''), 'unknown program'),
    extract(epoch FROM clock_timestamp() - xact_start)::int)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - $1 * interval '1 s'
ORDER BY xact_start
"""
_SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relname = ANY ($1) AND relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace
"""


class PlannedMigration(Struct, frozen=True):
    """A pending migration.

    `statements`, their number, is None if they depend on rows. `locks` has the strongest lock on each table.
    `lossy_statement` can lose data; None if none can. `risks` are the kinds of its risks, accepted or not.
    `backfills` are completed before it.
    It is not `backward_compatible` if it says so, or if it has a risk that the previous release does not run on.
    """

    history: str
    revision: str
    file: Path
    statements: int | None
    locks: Mapping[str, str]
    lossy_statement: str | None
    backward_compatible: bool
    risks: tuple[str, ...]
    backfills: tuple[str, ...] = ()


class PreflightCheck(Struct, frozen=True):
    """A condition of an upgrade, and the problem with its fix; an empty `problem` if it is met."""

    name: str
    problem: str = ""


async def plan_upgrade(url: str, histories: Sequence[History]) -> list[PlannedMigration]:
    """The pending migrations in the order in which `upgrade` runs them."""
    found, created = await get_statuses(url, histories), set[str]()
    is_empty = all(status.current is None for status in found)
    planned: list[PlannedMigration] = []
    for status, history in zip(found, histories, strict=True):
        require_continuous(status)
        risks = find_risks(history) if status.pending else []
        for revision in status.pending:
            script = get_script(history, revision)
            loss = None if is_empty else find_loss(history, script, created)
            own = [each for each in risks if each.revision == revision]
            planned.append(_planned(history, script, loss, own, () if is_empty else required_backfills(script)))
    return planned


def _planned(
    history: History, script: Script, loss: str | None, risks: Sequence[MigrationRisk], backfills: tuple[str, ...]
) -> PlannedMigration:
    statements = render_migration(history, script)
    singles = [single for each in statements or () for single in split_statements(each.sql)]
    own = [single for single in singles if single not in ("BEGIN", "COMMIT")]
    count = sum(history.version_table.upper() not in single for single in own)
    locks = find_locks(statements or ())
    locks.pop(history.version_table, None)
    breaks = any(each.risk.kind in BREAKING and not each.is_accepted for each in risks)
    compatible = not breaks and bool(getattr(script.module, "backward_compatible", True))
    return PlannedMigration(
        history.name,
        script.revision,
        Path(script.path),
        None if statements is None else count,
        locks,
        loss,
        compatible,
        tuple(dict.fromkeys(each.risk.kind for each in risks)),
        backfills,
    )


async def preflight(url: str, planned: Sequence[PlannedMigration]) -> list[PreflightCheck]:
    """Check that the database can be migrated now. Raises `ConfigurationError` if it cannot be reached."""
    locks = dict[str, str]()
    for each in planned:
        locks |= each.locks
    async with open_connection(url, "migration plan") as connection:
        return [check async for check in _checks(connection, locks)]


async def _checks(connection: asyncpg.Connection, locks: Mapping[str, str]) -> AsyncIterator[PreflightCheck]:
    role = await connection.fetchval("SELECT current_user")
    writable = await connection.fetchval(_WRITABLE)
    yield PreflightCheck(
        "the role may create tables",
        ""
        if writable
        else f"{role} may not create tables in the schema public, or the server is a standby. "
        "Set MIGRATION_DATABASE_URL to the owner of the tables on the primary server.",
    )
    foreign = [row[0] for row in await connection.fetch(_FOREIGN, list(locks))]
    yield PreflightCheck(
        "the role owns the tables",
        f"{role} does not own {', '.join(foreign)}. Set MIGRATION_DATABASE_URL to their owner." if foreign else "",
    )
    pid = await connection.fetchval(_MIGRATING, LOCK_KEY)
    yield PreflightCheck(
        "no other process is migrating",
        f"PID {pid} is migrating this database. Wait until it has finished." if pid else "",
    )
    monitor = LockMonitor(connection, log.warning)
    free = await monitor.wait_for_release(locks, POLL)
    yield PreflightCheck("the tables are not locked", "" if free else f"{monitor.describe()}. End that transaction.")
    old = [row[0] for row in await connection.fetch(_OLD_TRANSACTIONS, _LONG)]
    yield PreflightCheck(
        "no long transaction runs",
        f"{', '.join(old)} can block a migration, and delays CREATE INDEX CONCURRENTLY. End it." if old else "",
    )


async def table_sizes(url: str, planned: Sequence[PlannedMigration]) -> dict[str, int]:
    """The size in bytes, with indexes, of each table that the migrations lock: a rewrite needs as much free space."""
    tables = sorted({table for each in planned for table in each.locks})
    async with open_connection(url, "migration plan") as connection:
        return {row[0]: row[1] for row in await connection.fetch(_SIZES, tables)}
