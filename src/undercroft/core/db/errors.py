"""Classify the errors of the database driver, and translate them to errors for the client."""

import errno
import socket
from collections.abc import Mapping
from enum import Enum
from typing import Final, NoReturn

from asyncpg.exceptions import (
    InterfaceError,
    InternalClientError,
    InvalidCachedStatementError,
    PostgresError,
    ReadOnlySQLTransactionError,
)
from msgspec import Struct
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from undercroft.core.db.url import get_hosts
from undercroft.core.errors import (
    AppError,
    ConfigurationError,
    Conflict,
    ServiceUnavailable,
    TemporarilyUnavailable,
    Unprocessable,
)


class Category(Enum):
    """The response to the client."""

    BUG = 500
    UNSTORABLE = 422
    CONFLICT = 409
    UNAVAILABLE = 503
    OUTCOME_UNKNOWN = "503, and the change may have been made"


class ConnectionState(Enum):
    """The state of the connection after the error."""

    USABLE = "The statement was refused; the connection is usable after a rollback."
    UNRELIABLE = "Its state, or that of the server process, is unreliable: it is closed."
    WRONG_SERVER = "It leads to the wrong server: it and all idle connections are closed."
    LOST = "The server ended it with an unknown outcome: it and all idle connections are closed."


class Classification(Struct, frozen=True):
    category: Category
    connection: ConnectionState = ConnectionState.USABLE


BUG: Final = Classification(Category.BUG)
UNAVAILABLE: Final = Classification(Category.UNAVAILABLE)
UNRELIABLE: Final = Classification(Category.UNAVAILABLE, ConnectionState.UNRELIABLE)
WRONG_SERVER: Final = Classification(Category.UNAVAILABLE, ConnectionState.WRONG_SERVER)
LOST: Final = Classification(Category.UNAVAILABLE, ConnectionState.LOST)
CONFLICT: Final = Classification(Category.CONFLICT)
UNSTORABLE: Final = Classification(Category.UNSTORABLE)

MISUSED: Final = Classification(Category.BUG, ConnectionState.UNRELIABLE)

CLASSIFICATIONS: Final = {
    "08": LOST,  # connection exceptions; poolers use 08P01
    "22": UNSTORABLE,
    "23": CONFLICT,  # integrity constraints
    "25006": WRONG_SERVER,  # read-only: a standby, or a primary that was demoted or fenced in a failover
    "25P02": MISUSED,  # the code caught an error and continued in the same transaction
    "25P03": LOST,  # idle in transaction for too long
    "25P04": LOST,  # transaction_timeout
    "26": UNRELIABLE,  # unknown prepared statement: a pooler changed the server connection
    "28": WRONG_SERVER,  # authorization; only poolers report it within a session
    "3D": WRONG_SERVER,  # no such database; only poolers report it within a session
    "40": CONFLICT,  # serialization failures and deadlocks
    "40003": Classification(Category.OUTCOME_UNKNOWN, ConnectionState.LOST),
    "42P05": UNRELIABLE,  # duplicate prepared statement: the counterpart of 26000
    "53": UNAVAILABLE,  # disk full (53100), too many connections, configured limits
    "53200": UNRELIABLE,  # out of memory: closing the connection frees the server process's memory
    "54": UNSTORABLE,  # a value exceeds a limit of the server, such as the size of an index entry
    "55006": UNAVAILABLE,  # in use
    "55P03": UNAVAILABLE,  # lock_timeout, NOWAIT
    "57": LOST,  # shutdown, crash, dropped database, not yet accepting connections, idle session timeout
    "57014": UNAVAILABLE,  # statement_timeout, pg_cancel_backend
    "58": UNRELIABLE,  # I/O errors and missing files outside of PostgreSQL
    "72": UNAVAILABLE,  # snapshot too old
    "XX": UNRELIABLE,  # internal errors and corruption; also what some poolers and full quotas report
}
"""PostgreSQL's error codes (its manual, appendix A). The longest matching prefix of a code decides; a code without an
entry is a programming error.
"""


class DatabaseUnavailable(ServiceUnavailable):
    code = "DATABASE_UNAVAILABLE"
    message = "The database is temporarily unavailable. Try again later."


class OutcomeUnknown(ServiceUnavailable):
    """The connection was lost during the commit: the change may or may not have been saved."""

    code = "OUTCOME_UNKNOWN"
    message = "The connection was lost while saving. Check whether the change was saved before you retry."


class TransactionAborted(RuntimeError):
    """A statement failed, its error was caught, and the transaction was committed anyway: PostgreSQL rolled it back.

    This is a programming error: let the error propagate, or run the statement in a savepoint.
    """


class ReadSessionIsReadOnly(RuntimeError):
    """A `ReadSession`, which has read-only connections, was used to write. This is a programming error."""

    def __init__(self) -> None:
        super().__init__("A ReadSession is read-only. Use a Session to write.")


class DatabaseConflict(Conflict):
    code = "CONFLICT"
    message = "The request conflicts with existing data or with a concurrent change."


class UnstorableValue(Unprocessable):
    code = "UNSTORABLE_VALUE"
    message = "A value cannot be stored, for example because of a NUL character or a number out of range."


TRANSIENT_SQLSTATES = ("08", "53300", "57")
"""SQLSTATE classes of connection exceptions (reported by poolers), too many connections, and startup or shutdown."""

NETWORK_ERRNOS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET})
"""Operating system errors of a broken connection that are not Python's `ConnectionError`."""

_ERRORS: Mapping[Category, type[AppError]] = {
    Category.UNSTORABLE: UnstorableValue,
    Category.CONFLICT: DatabaseConflict,
    Category.UNAVAILABLE: DatabaseUnavailable,
    Category.OUTCOME_UNKNOWN: OutcomeUnknown,
}


def driver_error(error: BaseException) -> BaseException:
    """The asyncpg error inside a SQLAlchemy error, or the error itself."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return error


def classify(error: BaseException) -> Classification:
    """Classify an error of the driver. Any other exception is a programming error that leaves the connection usable."""
    error = driver_error(error)
    if isinstance(error, PostgresError):
        return _classify_server_error(error)
    if isinstance(error, TimeoutError):
        return UNRELIABLE
    if isinstance(error, InterfaceError) and "another operation is in progress" in str(error):
        return MISUSED  # two tasks used one session at the same time; the driver has no class for this error
    if isinstance(error, InterfaceError | InternalClientError | ConnectionError):
        return LOST
    if isinstance(error, OSError) and error.errno in NETWORK_ERRNOS:
        return LOST
    if isinstance(error, PoolTimeout):
        return UNAVAILABLE
    return CONFLICT if isinstance(error, StaleDataError) else BUG


def _classify_server_error(error: PostgresError) -> Classification:
    if isinstance(error, InvalidCachedStatementError):
        return UNAVAILABLE  # a migration changed a type; the driver prepares the statement again
    fatal = (error.severity_en or error.severity) in ("FATAL", "PANIC")
    return classify_sqlstate(error.sqlstate or "", fatal=fatal)


def classify_sqlstate(sqlstate: str, *, fatal: bool = False) -> Classification:
    """Classify an error code; `fatal`: the server ended the connection with it (FATAL or PANIC)."""
    found = next((CLASSIFICATIONS[sqlstate[:length]] for length in (5, 2) if sqlstate[:length] in CLASSIFICATIONS), BUG)
    if not fatal:
        return found
    return Classification(
        Category.UNAVAILABLE if found.category is Category.BUG else found.category, ConnectionState.LOST
    )


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection is lost, not just a statement refused."""
    return classify(error).connection is ConnectionState.LOST


def is_statement_error(error: BaseException) -> bool:
    """Whether PostgreSQL refused a statement and the connection is usable after a rollback."""
    return isinstance(driver_error(error), PostgresError) and classify(error).connection is ConnectionState.USABLE


def invalidates_connection(error: BaseException) -> bool:
    """Whether the connection must not be used again after this error."""
    return not isinstance(error, Exception) or classify(error).connection is not ConnectionState.USABLE


def is_outcome_unknown(error: BaseException) -> bool:
    """Whether a commit that failed with this error may have succeeded."""
    return is_connection_lost(error) or isinstance(driver_error(error), TimeoutError)


def translate_error(error: BaseException) -> AppError | None:
    """The client's error for a driver's error; None if it is a programming error."""
    if isinstance(error, AppError):
        return error
    kind = _ERRORS.get(classify(error).category)
    return kind() if kind else None


def raise_translated(error: BaseException) -> NoReturn:
    """Raise the client's error for this error, with the driver's error as its cause."""
    for_client = translate_error(error)
    if for_client is None or for_client is error:
        raise error
    raise for_client from driver_error(error)


def raise_translated_read(error: BaseException) -> NoReturn:
    """The same for reads: they can only conflict with a standby's recovery, and must not write."""
    if isinstance(driver_error(error), ReadOnlySQLTransactionError):
        raise ReadSessionIsReadOnly from error
    if classify(error).category is Category.CONFLICT:
        raise DatabaseUnavailable from driver_error(error)
    raise_translated(error)


def is_transient(error: BaseException) -> bool:
    """Whether a refused connection may succeed later: the server is starting, full, or its host name not resolvable
    yet.
    """
    error = driver_error(error)
    if isinstance(error, PostgresError):
        return (error.sqlstate or "").startswith(TRANSIENT_SQLSTATES)
    return not isinstance(error, ValueError)  # an invalid URL


def unreachable_error(url: str, error: BaseException) -> ConfigurationError:
    """The error for an unreachable database, for a terminal; it contains neither user nor password.

    It is `TemporarilyUnavailable` if waiting may help.
    """
    kind = TemporarilyUnavailable if is_transient(error) else ConfigurationError
    where = ", ".join(f"{host}:{port}" for host, port in get_hosts(url))
    return kind(
        f"The database at {where} cannot be used: {_reason(driver_error(error))}.\n"
        "Start the server or fix DATABASE_URL."
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the connection timed out"
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "the connection was refused"
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
