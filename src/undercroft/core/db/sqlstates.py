"""Classification of PostgreSQL's error codes (PostgreSQL's manual, appendix A).

The longest matching prefix of an error's code decides. A code without an entry is a programming error: 500.
"""

from enum import Enum
from typing import Final

from msgspec import Struct


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

CLASSIFICATIONS: Final = {
    "08": LOST,  # connection exceptions; poolers use 08P01
    "22": UNSTORABLE,
    "23": CONFLICT,  # integrity constraints
    "25006": WRONG_SERVER,  # read-only: a standby, or a primary that was demoted or fenced in a failover
    "25P02": Classification(
        Category.BUG, ConnectionState.UNRELIABLE
    ),  # the code caught an error and continued in the same transaction
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


def classify_sqlstate(sqlstate: str, *, fatal: bool = False) -> Classification:
    """Classify an error code; `fatal`: the server ended the connection with it (FATAL or PANIC)."""
    found = next((CLASSIFICATIONS[sqlstate[:length]] for length in (5, 2) if sqlstate[:length] in CLASSIFICATIONS), BUG)
    if not fatal:
        return found
    return Classification(
        Category.UNAVAILABLE if found.category is Category.BUG else found.category, ConnectionState.LOST
    )
