"""How a transaction makes sure that its request is still authorized when it commits.

A request is authenticated before it waits: for a lock, a connection, a password hash, another service. What was revoked
meanwhile must not be used. The guards of a request bind a `Reauthorization`; `Session` consults it right before COMMIT.
Jobs and commands bind none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from undercroft.core.db.session import Session


class Reauthorization(Protocol):
    """Knows whom a request was authenticated as, and how to verify that again."""

    def is_due(self, *, locked: bool) -> bool:
        """Whether to verify before the next commit; `locked` says that the transaction waited for row locks."""
        ...

    async def verify(self, session: "Session") -> None:
        """Verify again, and keep what was verified from being revoked until this transaction has ended.

        Raises the error that the request would get if it arrived now.
        """
        ...


_current: ContextVar[Reauthorization | None] = ContextVar("undercroft_reauthorization", default=None)
current_reauthorization = _current.get


def bind_reauthorization(reauthorization: Reauthorization | None) -> None:
    """From here on, in this task, transactions are verified by this one; None for none."""
    _current.set(reauthorization)


@contextmanager
def without_reauthorization() -> Iterator[None]:
    """Within this block transactions commit whoever asks: for what the server notes for itself."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
