"""All error codes of PostgreSQL: the client's error and the state of the connection."""

import errno
import socket

import asyncpg
import pytest
from asyncpg import exceptions
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import (
    DatabaseConflict,
    DatabaseUnavailable,
    OutcomeUnknown,
    UnstorableValue,
    is_connection_lost,
    is_outcome_unknown,
    translate_error,
    unreachable_error,
)
from undercroft.core.errors import ConfigurationError, ServiceUnavailable, TemporarilyUnavailable
from undercroft.core.http.errors import InternalError, as_app_error

BUG, RETAINED, CLOSED, ALL_CLOSED = None, "retained", "closed", "all closed"

CLASSES = {
    "08": (DatabaseUnavailable, ALL_CLOSED),
    "22": (UnstorableValue, RETAINED),
    "23": (DatabaseConflict, RETAINED),
    "26": (DatabaseUnavailable, CLOSED),
    "28": (DatabaseUnavailable, ALL_CLOSED),
    "3D": (DatabaseUnavailable, ALL_CLOSED),
    "40": (DatabaseConflict, RETAINED),
    "53": (DatabaseUnavailable, RETAINED),
    "54": (UnstorableValue, RETAINED),
    "57": (DatabaseUnavailable, ALL_CLOSED),
    "58": (DatabaseUnavailable, CLOSED),
    "72": (DatabaseUnavailable, RETAINED),
    "XX": (DatabaseUnavailable, CLOSED),
}
"""Expected results by class."""

CODES = {
    "25006": (DatabaseUnavailable, ALL_CLOSED),
    "25P02": (BUG, CLOSED),
    "25P03": (DatabaseUnavailable, ALL_CLOSED),
    "25P04": (DatabaseUnavailable, ALL_CLOSED),
    "40003": (OutcomeUnknown, ALL_CLOSED),
    "42P05": (DatabaseUnavailable, CLOSED),
    "53200": (DatabaseUnavailable, CLOSED),
    "55006": (DatabaseUnavailable, RETAINED),
    "55P03": (DatabaseUnavailable, RETAINED),
    "57014": (DatabaseUnavailable, RETAINED),
}
"""Expected results of codes that differ from their class."""

BUG_CLASSES = {
    "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "24", "25", "27", "2B", "2D", "2F", "34", "38",
    "39", "3B", "3F", "42", "44", "55", "F0", "HV", "P0",
}  # fmt: skip

KNOWN = sorted(
    error.sqlstate
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, asyncpg.PostgresError) and "sqlstate" in vars(error)
)
WAYS = ["fetch", "execute", "write alone", "write in a transaction", "read", "read by the orm"]
UNKNOWN_TO_THE_DRIVER = ["08ZZZ", "22ZZZ", "53ZZZ", "57ZZZ", "XXZZZ"]


def expected(code: str) -> tuple[type[Exception] | None, str]:
    return CODES.get(code) or CLASSES.get(code[:2]) or (BUG, RETAINED)


def test_every_class_of_the_driver_is_classified() -> None:
    assert {code[:2] for code in KNOWN} == {*CLASSES, *BUG_CLASSES}
    assert set(CODES) <= set(KNOWN)


@pytest.mark.parametrize("code", [*KNOWN, *UNKNOWN_TO_THE_DRIVER])
async def test_sqlstate_determines_the_error_and_the_state_of_the_connection(database: Database, code: str) -> None:
    error, connection = expected(code)
    bystander = await _idle_beside(database)
    try:
        async with database.session() as session:
            raw = await session.raw()
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'expected' USING ERRCODE = '{code}'; END $$"))
    except Exception as raised:
        seen = as_app_error(raised)
    assert type(seen) is (error or InternalError)
    assert raw.is_closed() is (connection is not RETAINED)
    assert bystander.is_closed() is (connection is ALL_CLOSED)
    assert database.write.in_use == 0
    if isinstance(seen, ServiceUnavailable):
        assert int(seen.headers["Retry-After"]) > 0


@pytest.mark.parametrize("code", ["40001", "40P01", "57014", "53200", "XX000"])
@pytest.mark.parametrize("way", ["read", "read by the orm"])
async def test_failed_read_is_unavailable_and_not_a_conflict(database: Database, code: str, way: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _run(database, text(f"DO $$ BEGIN RAISE EXCEPTION 'expected' USING ERRCODE = '{code}'; END $$"), way)
    assert database.read.in_use == 0


@pytest.mark.parametrize("code", ["53100", "25006", "57014", "23505", "XX000", "42601"])
@pytest.mark.parametrize(
    "way", ["fetch", "execute", "write alone", "write in a transaction", "read", "read by the orm"]
)
async def test_failing_statement_releases_its_connection(database: Database, code: str, way: str) -> None:
    sql = text(f"DO $$ BEGIN RAISE EXCEPTION 'expected' USING ERRCODE = '{code}'; END $$")
    for _ in range(database.settings.db_read_pool_size + 1):
        with pytest.raises(Exception):  # noqa: B017 - the test above checks the type
            await _run(database, sql, way)
    assert (database.write.in_use, database.read.in_use) == (0, 0)


async def _run(database: Database, sql: object, way: str) -> None:
    statement = Statement(sql)  # type: ignore[arg-type]
    if way.startswith("read"):
        async with database.read_session() as read_session:
            await (read_session.fetch(statement) if way == "read" else read_session.execute(sql))  # type: ignore[arg-type]
        return
    async with database.session() as session:
        if way == "fetch":
            await session.fetch(statement)
        elif way == "execute":
            await session.execute(sql)  # type: ignore[arg-type]
        else:
            await session.write_one(statement)
            if way != "write alone":
                await session.flush()


@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
@pytest.mark.parametrize("code", ["42601", "53100", "XX000", "25006", "0A000"])
def test_fatal_error_is_a_lost_connection(severity: str, code: str) -> None:
    error = asyncpg.PostgresError.new({"S": severity, "V": severity, "C": code, "M": "expected"})
    assert is_connection_lost(error)
    assert is_outcome_unknown(error)
    assert isinstance(translate_error(error), DatabaseUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        BrokenPipeError(),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        TimeoutError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state"),
    ],
    ids=repr,
)
def test_broken_connection_is_unavailable_and_its_commit_unknown(error: Exception) -> None:
    assert isinstance(translate_error(error), DatabaseUnavailable)
    assert is_outcome_unknown(error)


def test_pool_timeout_is_unavailable_with_a_known_outcome() -> None:
    error = PoolTimeout()
    assert isinstance(translate_error(error), DatabaseUnavailable)
    assert not is_outcome_unknown(error)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), ValueError(), RuntimeError()], ids=repr)
def test_programming_error_is_not_a_database_error(error: Exception) -> None:
    error.__cause__ = asyncpg.DiskFullError("while this one was handled")
    assert translate_error(error) is None


async def test_statement_prepared_before_a_migration_is_unavailable_and_keeps_its_connection(
    database: Database,
) -> None:
    bystander = await _idle_beside(database)
    with pytest.raises(DatabaseUnavailable) as raised:
        async with database.session() as session:
            raw = await session.raw()
            await raw.execute("CREATE TEMPORARY TABLE notes (size int)")
            await raw.fetch("SELECT * FROM notes")
            await raw.execute("ALTER TABLE notes ALTER COLUMN size TYPE text")
            await raw.fetch("SELECT * FROM notes")
    assert isinstance(raised.value.__cause__, asyncpg.InvalidCachedStatementError)
    assert [raw.is_closed(), bystander.is_closed()] == [False, False]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (TimeoutError(), TemporarilyUnavailable, "the connection timed out"),
        (socket.gaierror(-2, "Name or service not known"), TemporarilyUnavailable, "the host name cannot be resolved"),
        (ConnectionRefusedError(111, "refused"), TemporarilyUnavailable, "the connection was refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), TemporarilyUnavailable,
         "the connection was refused"),
        (asyncpg.CannotConnectNowError("the server is starting up.\nmore"), TemporarilyUnavailable,
         "the server is starting up"),
        (asyncpg.InvalidPasswordError("wrong password"), ConfigurationError, "wrong password"),
        (ValueError(), ConfigurationError, "ValueError"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_unreachable_database_is_described_without_credentials(error: Exception, kind: type, reason: str) -> None:
    described = unreachable_error("postgresql://ada:hunter2@db.example:6543/shop", error)
    assert type(described) is kind
    assert str(described).startswith(f"The database at db.example:6543 cannot be used: {reason}.\n")
    assert "ada" not in str(described)
    assert "hunter2" not in str(described)


async def _idle_beside(database: Database) -> asyncpg.Connection:
    """An idle connection that is not the next one to be acquired."""
    first, second = await database.write.acquire(), await database.write.acquire()
    first.release()
    second.release()
    # 25006 closes idle connections once a second: forget the last time
    database.write._server_lost_at = 0
    return first.raw
