"""Translate errors of the database driver to errors for the client."""

import errno
import socket
from collections.abc import Mapping
from typing import NoReturn

from asyncpg.exceptions import (
    InterfaceError,
    InternalClientError,
    InvalidCachedStatementError,
    PostgresError,
    ReadOnlySQLTransactionError,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from undercroft.core.db.sqlstates import (
    BUG,
    CONFLICT,
    LOST,
    UNAVAILABLE,
    UNRELIABLE,
    Category,
    Classification,
    ConnectionState,
    classify_sqlstate,
)
from undercroft.core.db.url import get_hosts
from undercroft.core.errors import (
    AppError,
    ConfigurationError,
    Conflict,
    ServiceUnavailable,
    TemporarilyUnavailable,
    Unprocessable,
)


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

CONCURRENT_USE = Classification(Category.BUG, ConnectionState.UNRELIABLE)
"""Two tasks used one session at the same time."""

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
    """Classify an error of the driver. Any other exception is a programming error that leaves the connection usable.

    PostgreSQL's own errors are classified by the table in `sqlstates.py`.
    """
    error = driver_error(error)
    if isinstance(error, PostgresError):
        return _classify_server_error(error)
    if isinstance(error, TimeoutError):
        return UNRELIABLE
    if isinstance(error, InterfaceError) and "another operation is in progress" in str(error):
        return CONCURRENT_USE  # the driver has no class for this error
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
