"""The locks that statements take on tables, and the sessions that hold conflicting ones."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
from msgspec import Struct

from undercroft.core.db.migrations.statements import Statement, altered_table, created_table, split_statements

MODES: Final = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
"""PostgreSQL's lock modes, weakest first. Those from SHARE on block writes."""

POLL = 0.2
_WEAK_ACTION = re.compile(
    r"VALIDATE .*|ALTER (?:COLUMN )?\S+ SET STATISTICS .*|SET \(.*|RESET \(.*|ATTACH PARTITION .*"
)
_SHARE_ROW_ACTION = re.compile(r"ADD (?:CONSTRAINT \w+ )?FOREIGN KEY\b.*|(?:ENABLE|DISABLE) (?:\w+ )?TRIGGER .*")
_REFERENCES = re.compile(r"\bREFERENCES ([\w.]+)")
_RULES: Final = (
    (r"(?:CREATE (?:UNIQUE )?|RE)INDEX .*CONCURRENTLY .*\bON (?:ONLY )?(?P<table>[\w.]+).*", "SHARE UPDATE EXCLUSIVE"),
    (r"CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?(?P<table>[\w.]+).*", "SHARE"),
    (r"DROP INDEX CONCURRENTLY (?:IF EXISTS )?(?P<table>[\w.]+)", "SHARE UPDATE EXCLUSIVE"),
    (r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON (?P<table>[\w.]+).*", "SHARE ROW EXCLUSIVE"),
    (r"COMMENT ON (?:TABLE|COLUMN) (?P<table>\w+).*", "SHARE UPDATE EXCLUSIVE"),
    (r"LOCK (?:TABLE )?(?:ONLY )?(?P<table>[\w.]+)(?: IN (?P<mode>[A-Z ]+) MODE)?.*", "ACCESS EXCLUSIVE"),
    (r"(?:UPDATE|DELETE FROM|INSERT INTO|MERGE INTO|COPY) (?:ONLY )?(?P<table>[\w.]+).*", "ROW EXCLUSIVE"),
    (r"DROP (?:TABLE|INDEX) (?:IF EXISTS )?(?P<table>[\w.]+).*", "ACCESS EXCLUSIVE"),
    (r"TRUNCATE (?:TABLE )?(?:ONLY )?(?P<table>[\w.]+).*", "ACCESS EXCLUSIVE"),
    (r"(?:CREATE|ALTER|DROP) (?:POLICY|TRIGGER|RULE) .*? ON (?P<table>[\w.]+).*", "ACCESS EXCLUSIVE"),
    (r"(?:VACUUM .*FULL\b[^)]*\)?|CLUSTER|REINDEX TABLE) (?P<table>[\w.]+).*", "ACCESS EXCLUSIVE"),
)
_SESSION = """
s.pid, coalesce(nullif(s.application_name, ''), 'unknown program') AS program, s.usename::text AS role,
extract(epoch FROM clock_timestamp() - s.xact_start)::float AS seconds
"""
_HOLDERS = f"""
SELECT l.virtualtransaction, lower(c.relname) AS table, {_SESSION}
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity s ON s.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND s.datname = current_database()
    AND ((c.relname = ANY ($1) AND l.mode <> 'ShareUpdateExclusiveLock')
        OR (c.relname = ANY ($2) AND l.mode NOT IN ('ShareUpdateExclusiveLock', 'AccessShareLock', 'RowShareLock')))
ORDER BY s.pid
"""  # noqa: S608 - only constants
_WAITING = f"""
SELECT '' AS virtualtransaction, lower(coalesce(c.relname, 'another transaction')) AS table, {_SESSION}
FROM pg_stat_activity w JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted LEFT JOIN pg_class c ON c.oid = l.relation
    CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid) JOIN pg_stat_activity s ON s.pid = b.pid
WHERE w.application_name = 'undercroft migrate' AND w.datname = current_database()
ORDER BY s.pid
"""  # noqa: S608 - only constants


class Blocker(Struct, frozen=True):
    """A session that locks a table. `role` and `seconds` are None without the right to see them."""

    transaction: str
    table: str
    pid: int
    program: str
    role: str | None
    seconds: float | None

    def __str__(self) -> str:
        role = f", role {self.role}" if self.role else ""
        age = f", in a transaction for {self.seconds:.0f} s" if self.seconds is not None else ""
        return f"{self.table} is locked by PID {self.pid} ({self.program}{role}{age})"


def find_locks(statements: Iterable[Statement]) -> dict[str, str]:
    """The strongest lock that a migration takes on each table that existed before it, by table."""
    found, created = dict[str, str](), set[str]()
    for single in (single for statement in statements for single in split_statements(statement.sql)):
        if table := created_table(single):
            created.add(table)
        for name, mode in _locks(single):
            key = name.lower().removeprefix("public.")
            if name not in created and MODES.index(mode) >= MODES.index(found.get(key, MODES[0])):
                found[key] = mode
    return found


def _locks(single: str) -> Iterator[tuple[str, str]]:
    table, actions = altered_table(single) or ("", [])
    for action in actions:
        yield table, _action_lock(action)
    for rule, mode in _RULES:
        if found := re.fullmatch(rule, single):
            yield found.group("table"), found.groupdict().get("mode") or mode
            break
    if actions or created_table(single):
        for name in _REFERENCES.findall(single):
            yield name, "SHARE ROW EXCLUSIVE"


def _action_lock(action: str) -> str:
    if _WEAK_ACTION.fullmatch(action):
        return "SHARE UPDATE EXCLUSIVE"
    return "SHARE ROW EXCLUSIVE" if _SHARE_ROW_ACTION.fullmatch(action) else "ACCESS EXCLUSIVE"


async def find_blockers(connection: asyncpg.Connection, locks: Mapping[str, str]) -> list[Blocker]:
    """The sessions that would block a migration with these locks, except VACUUM, which gives way by itself."""
    exclusive = [table for table, mode in locks.items() if mode == MODES[-1]]
    shared = [table for table, mode in locks.items() if MODES.index(mode) >= MODES.index("SHARE")]
    rows = await connection.fetch(_HOLDERS, exclusive, shared)
    return [Blocker(*row) for row in rows]


class LockMonitor:
    """Observes locks on its own connection, which must not be in a transaction."""

    def __init__(self, connection: asyncpg.Connection, report: Callable[[str], None]) -> None:
        self._connection, self.report = connection, report
        self.blockers: list[Blocker] = []

    async def wait_for_release(self, locks: Mapping[str, str], limit: float) -> bool:
        """Wait for at most `limit` seconds until no transaction holds a conflicting lock for longer than one poll.

        It requests no lock, so that no traffic queues behind it. Returns whether the tables are free; otherwise,
        `blockers` are the transactions that are left.
        """
        if not locks:
            return True
        self.blockers = await find_blockers(self._connection, locks)
        for _ in range(round(limit / POLL)):
            if not self.blockers:
                break
            await asyncio.sleep(POLL)
            earlier = {blocker.transaction for blocker in self.blockers}
            now = await find_blockers(self._connection, locks)
            self.blockers = [blocker for blocker in now if blocker.transaction in earlier]
        return not self.blockers

    @asynccontextmanager
    async def watching(self, limit: float) -> AsyncIterator[None]:
        """Set `blockers` to the sessions that the migration waits for, and report them once after `limit` seconds."""
        self.blockers, end = [], asyncio.Event()
        task = asyncio.create_task(self._poll(end, round(limit / POLL)))
        try:
            yield
        finally:
            end.set()
            await task

    async def _poll(self, end: asyncio.Event, patience: int) -> None:
        waits = 0
        while not await _is_set_within(end, POLL):
            found = [Blocker(*row) for row in await self._connection.fetch(_WAITING)]
            self.blockers = found or self.blockers
            waits = waits + 1 if found else 0
            if waits == patience + 1:
                self.report(f"{_list(found)}; waiting")

    def describe(self) -> str:
        """The last known blockers, in a phrase."""
        return _list(self.blockers) or "another session locks a table"


async def _is_set_within(end: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await end.wait()
    return end.is_set()


def _list(blockers: Iterable[Blocker]) -> str:
    return ", ".join(dict.fromkeys(map(str, blockers)))
