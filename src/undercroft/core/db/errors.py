"""What the driver says, in the terms of the client."""

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
    message = "The database cannot be reached at the moment."


class OutcomeUnknown(ServiceUnavailable):
    """The connection was lost while committing: the change may or may not have been made."""

    code = "OUTCOME_UNKNOWN"
    message = "The connection was lost while saving. Look before you try again."


class TransactionAborted(RuntimeError):
    """A statement failed, its error was caught, and the transaction was ended as if it had not: all was rolled back.

    A fault in the program: let the error out, or put the statement into a savepoint.
    """


class ReadSessionIsReadOnly(RuntimeError):
    """A statement that writes was run on a `ReadSession`, whose connections are read-only: a bug in the program."""

    def __init__(self) -> None:
        super().__init__("A ReadSession is read-only. Ask for a Session to write.")


class DatabaseConflict(Conflict):
    code = "CONFLICT"
    message = "This clashes with something that exists or was changed at the same moment."


class UnstorableValue(Unprocessable):
    code = "UNSTORABLE_VALUE"
    message = "A value holds something that cannot be stored, such as a NUL character or a number out of range."


TRANSIENT_SQLSTATES = ("08", "53300", "57")
"""SQLSTATE: connection exceptions, which poolers report, too many connections, and a server that starts or stops."""

NETWORK_ERRNOS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET})
"""Errors of the operating system that a broken connection reports, apart from Python's `ConnectionError`."""

CONCURRENT_USE = Classification(Category.BUG, ConnectionState.UNRELIABLE)
"""Two tasks used one session at the same time."""

_ERRORS: Mapping[Category, type[AppError]] = {
    Category.UNSTORABLE: UnstorableValue,
    Category.CONFLICT: DatabaseConflict,
    Category.UNAVAILABLE: DatabaseUnavailable,
    Category.OUTCOME_UNKNOWN: OutcomeUnknown,
}


def driver_error(error: BaseException) -> BaseException:
    """The asyncpg error inside what SQLAlchemy raised, or the error itself."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return error


def classify(error: BaseException) -> Classification:
    """What an error of the driver means; any other exception is a bug of the program that leaves the connection usable.

    PostgreSQL's own errors are in the table of `sqlstates.py`.
    """
    error = driver_error(error)
    if isinstance(error, PostgresError):
        return _classify_server_error(error)
    if isinstance(error, TimeoutError):
        return UNRELIABLE
    if isinstance(error, InterfaceError) and "another operation is in progress" in str(error):
        return CONCURRENT_USE  # the driver has no class for it
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
    """Whether the connection is gone, as against a statement that was refused."""
    return classify(error).connection is ConnectionState.LOST


def is_statement_error(error: BaseException) -> bool:
    """Whether PostgreSQL refused a statement and the connection is usable after a rollback."""
    return isinstance(driver_error(error), PostgresError) and classify(error).connection is ConnectionState.USABLE


def invalidates_connection(error: BaseException) -> bool:
    """Whether the connection must not be used again after this error."""
    return not isinstance(error, Exception) or classify(error).connection is not ConnectionState.USABLE


def is_outcome_unknown(error: BaseException) -> bool:
    """Whether what was committing when this error came may have been committed."""
    return is_connection_lost(error) or isinstance(driver_error(error), TimeoutError)


def translate_error(error: BaseException) -> AppError | None:
    """The error for the client that stands for a driver's error; None when it is a bug in the program."""
    if isinstance(error, AppError):
        return error
    kind = _ERRORS.get(classify(error).category)
    return kind() if kind else None


def raise_translated(error: BaseException) -> NoReturn:
    """Raise what stands for this error at the boundary, with the driver's own as its cause."""
    for_client = translate_error(error)
    if for_client is None or for_client is error:
        raise error
    raise for_client from driver_error(error)


def raise_translated_read(error: BaseException) -> NoReturn:
    """The same for what was only to read: it conflicts with nothing but a standby's recovery, and must not write."""
    if isinstance(driver_error(error), ReadOnlySQLTransactionError):
        raise ReadSessionIsReadOnly from error
    if classify(error).category is Category.CONFLICT:
        raise DatabaseUnavailable from driver_error(error)
    raise_translated(error)


def is_transient(error: BaseException) -> bool:
    """Whether a server that refused a connection may only be starting, full, or not have its address yet."""
    error = driver_error(error)
    if isinstance(error, PostgresError):
        return (error.sqlstate or "").startswith(TRANSIENT_SQLSTATES)
    return not isinstance(error, ValueError)  # one in the URL


def unreachable_error(url: str, error: BaseException) -> ConfigurationError:
    """What a person at a terminal is told about a database that does not let us in; without user or password.

    It is `TemporarilyUnavailable` when waiting may help.
    """
    kind = TemporarilyUnavailable if is_transient(error) else ConfigurationError
    where = ", ".join(f"{host}:{port}" for host, port in get_hosts(url))
    return kind(
        f"The database at {where} cannot be used: {_reason(driver_error(error))}.\n"
        "Start that server or mend DATABASE_URL."
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, socket.gaierror):
        return "there is no host of that name"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nothing listens there"
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
