"""The declaration of a live value in a module, and how a change of it is announced."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from undercroft.core.context import current_context
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.errors import CodeError
from undercroft.core.live.process import LiveValues
from undercroft.core.live.versions import write_version

T = TypeVar("T")


class Live(Generic[T]):
    """A value that `function` reads from the database. `current` is the value in this process."""

    def __init__(
        self, function: Callable[[ReadSession], Awaitable[T]], default: T, on_change: Callable[[T], None] | None = None
    ) -> None:
        self.function = function
        self.default = default
        self.on_change = on_change
        self.name = f"{_module_name(function)}.{function.__name__}"

    @property
    def current(self) -> T:
        """The last value that this process read; the default in processes that are neither server nor worker."""
        values = current_context().find(LiveValues)
        return self.default if values is None else values.current(self)

    async def announce(self, session: Session) -> None:
        """Make every process read the value again when this transaction has committed.

        Transactions that announce the same value wait for each other.
        """
        await write_version(session, self.name, utc_now())
        values = current_context().find(LiveValues)
        if values is not None:
            session.after_commit(values.wake)


def live(
    *, default: T, on_change: Callable[[T], None] | None = None
) -> Callable[[Callable[[ReadSession], Awaitable[T]]], Live[T]]:
    """Declare a live value in the file `live.py` of a module, by an async function of a `ReadSession` that reads it.

    It has `default` until it was read for the first time. `on_change` is called with each value that was read, in the
    context of the application. If the function raises, the process logs it, reports it in the readiness check, retries
    and keeps the previous value. Raises `CodeError` for a function that is not async.
    """

    def declare(function: Callable[[ReadSession], Awaitable[T]]) -> Live[T]:
        if not inspect.iscoroutinefunction(function):
            message = f"{function.__name__} must be an async function: async def {function.__name__}(session)."
            raise CodeError(message, at=function)
        return Live(function, default, on_change)

    return declare


def _module_name(function: Callable[..., object]) -> str:
    """The name of the module that declares a function in its `live.py`."""
    return function.__module__.removesuffix(".live").rpartition(".")[2]
