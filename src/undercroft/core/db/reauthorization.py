"""Verify before a commit that the request is still authorized.

A request is authenticated before it waits: for a lock, a connection, a password hash, another service. Access that was
revoked in the meantime must not be used. The guards of a request bind a `Reauthorization`; `Session` calls it right
before COMMIT. Jobs and commands bind none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from undercroft.core.db.session import Session


class Reauthorization(Protocol):
    """Knows the principal of a request, and how to verify it again."""

    def is_due(self, *, locked: bool) -> bool:
        """Whether to verify before the next commit; `locked`: the transaction may have waited for row locks."""
        ...

    async def verify(self, session: "Session") -> None:
        """Verify again, and prevent a revocation until this transaction has ended.

        Raises the error that the request would get if it arrived now.
        """
        ...


_current: ContextVar[Reauthorization | None] = ContextVar("undercroft_reauthorization", default=None)
current_reauthorization = _current.get


def bind_reauthorization(reauthorization: Reauthorization | None) -> None:
    """Verify the transactions of this task by this reauthorization; None disables it."""
    _current.set(reauthorization)


@contextmanager
def without_reauthorization() -> Iterator[None]:
    """Disable the verification inside this block: for records that the server writes for itself."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
