"""What the driver says, in the terms of the client."""

import socket
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from asyncpg import exceptions as pg
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from undercroft.core.errors import AppError, ConfigurationError, Conflict, ServiceUnavailable, Unprocessable


class DatabaseUnavailable(ServiceUnavailable):
    code = "DATABASE_UNAVAILABLE"
    message = "The database cannot be reached at the moment."


class OutcomeUnknown(ServiceUnavailable):
    """The connection was lost while committing: the change may or may not have been made."""

    code = "OUTCOME_UNKNOWN"
    message = "The connection was lost while saving. Look before you try again."


class NothingCommitted(RuntimeError):
    """A statement failed, its error was caught, and the transaction was ended as if it had not: all was rolled back.

    A fault in the program: let the error out, or put the statement into a savepoint.
    """


class DatabaseConflict(Conflict):
    code = "CONFLICT"
    message = "This clashes with something that exists or was changed at the same moment."


class UnstorableValue(Unprocessable):
    code = "UNSTORABLE_VALUE"
    message = "A value holds something that cannot be stored, such as a NUL character or a number out of range."


LOST = (
    InterfaceError,
    InternalClientError,
    ConnectionError,
    OSError,
    pg.PostgresConnectionError,
    pg.AdminShutdownError,
    pg.CrashShutdownError,
    pg.CannotConnectNowError,
    pg.TooManyConnectionsError,
)
CLASHES = (pg.IntegrityConstraintViolationError, pg.SerializationError, pg.DeadlockDetectedError, StaleDataError)
WAITED = (
    TimeoutError,
    PoolTimeout,
    pg.QueryCanceledError,
    pg.LockNotAvailableError,
    pg.IdleInTransactionSessionTimeoutError,
)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, as against a statement that was refused."""
    error = driver_error(error)
    return isinstance(error, LOST) and not isinstance(error, pg.DataError)


def driver_error(error: BaseException) -> BaseException:
    """The asyncpg error inside what SQLAlchemy raised, or the error itself."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    cause = error.__cause__
    return cause if isinstance(cause, PostgresError | InterfaceError | InternalClientError) else error


def translated(error: BaseException) -> AppError | None:
    """The error for the client that stands for a driver's error; None when it is a fault in our own program."""
    error = driver_error(error)
    if isinstance(error, AppError):
        return error
    if isinstance(error, pg.DataError):
        return UnstorableValue()
    if isinstance(error, CLASHES):
        return DatabaseConflict()
    if isinstance(error, WAITED) or is_lost(error):
        return DatabaseUnavailable()
    return None


def raise_translated(error: BaseException) -> NoReturn:
    """Raise what stands for this error at the boundary, with the driver's own as its cause."""
    for_client = translated(error)
    if for_client is None or for_client is error:
        raise error
    raise for_client from driver_error(error)


def unreachable(url: str, error: BaseException) -> ConfigurationError:
    """What a person at a terminal is told about a database that does not let us in; without user or password."""
    where = urlsplit(url)
    host = where.hostname or parse_qs(where.query).get("host", ["?"])[0]
    return ConfigurationError(
        f"The database at {host}:{where.port or 5432} cannot be used: {_reason(driver_error(error))}.\n"
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
