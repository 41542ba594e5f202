"""Decision hooks: functions that run before an operation, and can reject it or amend its input.

    class SignUp(HookPoint, frozen=True, kw_only=True):        # hooks.py of the module that creates accounts
        email: str
        full_name: str
        amendable = ("full_name",)

    @before(SignUp, order=10)                                  # hooks.py of any module
    async def only_company_addresses(session: Session, sign_up: SignUp) -> SignUp | None:
        if not sign_up.email.endswith("@acme.example"):
            raise CompanyAddressRequired
        return msgspec.structs.replace(sign_up, full_name=sign_up.full_name.title())

A hook rejects with an error of its module's `errors.py`, which the client gets. It amends by returning a replaced
point, of which only the fields in `amendable` may differ. It defers a `deferrable` operation with a `Deferred` error.
Hooks run in ascending `order`, then in the order of the modules, each within HOOK_TIMEOUT seconds, in the transaction
of the operation: after an error it rolls back, with what the hooks have written; after a `Deferred` error, what they
have written is committed. A hook awaits whatever takes time, because a blocked event loop cannot measure the limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
import structlog
from asyncpg import InterfaceError, InternalClientError, PostgresError
from msgspec import Struct
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from undercroft.core.context import current_context
from undercroft.core.db.errors import translate_error
from undercroft.core.db.session import Session
from undercroft.core.errors import AppError, Forbidden, ServiceUnavailable
from undercroft.core.handlers import check_handler, find_location
from undercroft.core.settings import CoreSettings, load

__all__ = ["Deferred", "Hook", "HookFailed", "HookPoint", "HookTimedOut", "Hooks", "before", "decide"]

STOP_GRACE = 0.2
"""Seconds for a hook to clean up after it was canceled."""

_DATABASE_ERRORS = (DBAPIError, PostgresError, InterfaceError, InternalClientError, PoolTimeout)

log = structlog.get_logger("undercroft.application")


class HookPoint(Struct, frozen=True):
    """An operation that hooks decide about. Subclasses are frozen and contain its input.

    `amendable` names the fields that hooks may change; their new values are validated against the annotations. Hooks
    may defer an operation (`Deferred`) that is `deferrable`: nothing is written before it is decided.
    """

    amendable: ClassVar[tuple[str, ...]] = ()
    deferrable: ClassVar[bool] = False


class Deferred(Forbidden):
    """The operation does not happen now: a hook has stored what will lead to it later, such as a place on a list.

    What the hooks have written is committed, and the client gets this error. For an operation that is not `deferrable`,
    it is a rejection like any other.
    """


class HookTimedOut(ServiceUnavailable):
    """A hook did not finish within HOOK_TIMEOUT. Nothing happened."""

    code = "HOOK_TIMED_OUT"
    message = "A check of this request took too long. Try again later."


class HookFailed(AppError):
    """A hook raised an unexpected error or returned an invalid value; the log names it. Nothing happened."""

    code = "HOOK_FAILED"
    message = "A check of this request failed. Try again later."


P = TypeVar("P", bound=HookPoint)


class Hook(Struct, Generic[P], frozen=True):
    """A function that is called with the session and the point before an operation of this class."""

    point: type[P]
    function: Callable[[Session, P], Awaitable[P | None]]
    order: int = 0

    @property
    def name(self) -> str:
        """The dotted name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def location(self) -> str:
        """The file and line of the function."""
        return find_location(self.function)

    def __call__(self, session: Session, point: P) -> Awaitable[P | None]:
        return self.function(session, point)


class Hooks:
    """The hooks of an application by point, in the order in which they run.

    `points` are the known points, which may have no hooks.
    """

    def __init__(self, hooks: Iterable[Hook[Any]] = (), points: Iterable[type[HookPoint]] = ()) -> None:
        self.by_point: dict[type[HookPoint], tuple[Hook[Any], ...]] = dict.fromkeys(points, ())
        for hook in sorted(hooks, key=lambda each: each.order):
            self.by_point[hook.point] = (*self.of(hook.point), hook)

    def of(self, point: type[HookPoint]) -> tuple[Hook[Any], ...]:
        return self.by_point.get(point, ())


def before(point: type[P], *, order: int = 0) -> Callable[[Callable[[Session, P], Awaitable[P | None]]], Hook[P]]:
    """Declare a hook in the file `hooks.py` of a module.

    Raises `TypeError` if `point` is not a `HookPoint` class, and `CodeError` for a function that is not async or has
    other parameters.
    """
    if not (isinstance(point, type) and issubclass(point, HookPoint) and point is not HookPoint):
        raise TypeError(f"{getattr(point, '__qualname__', point)} is not a hook point. Pass one: @before(SignUp).")

    def declare(function: Callable[[Session, P], Awaitable[P | None]]) -> Hook[P]:
        check_handler(function, point, returns=f"{point.__name__} | None")
        return Hook(point, function, order)

    return declare


def hooks_of(point: type[HookPoint]) -> tuple[Hook[Any], ...]:
    """Return the hooks of a point in this application."""
    hooks = current_context().find(Hooks)
    return hooks.of(point) if hooks is not None else ()


async def decide(session: Session, point: P) -> P:
    """Call the hooks of a point and return it as they amended it. Call this before the operation writes anything.

    Raises the error of a hook that rejects, `HookTimedOut` and `HookFailed`; let them end the transaction.
    """
    for hook in hooks_of(type(point)):
        point = await _call(hook, session, point)
    return point


async def _call(hook: Hook[P], session: Session, point: P) -> P:
    try:
        returned = await _run(hook, session, point)
        return point if returned is None else _check_amendment(hook, point, returned)
    except AppError as error:
        # A rejected operation leaves nothing.
        error.commits = isinstance(error, Deferred) and point.deferrable  # type: ignore[misc]
        raise
    except Exception as error:
        if isinstance(error, _DATABASE_ERRORS) and translate_error(error) is not None:
            raise  # the database is unavailable, or a conflict with another transaction
        log.error("hook.failed", hook=hook.name, location=hook.location, point=hook.point.__name__, exc_info=error)
        raise HookFailed from error


async def _run(hook: Hook[P], session: Session, point: P) -> P | None:
    """Call a hook in a task of its own, which can be abandoned if it ignores its cancellation."""
    task = asyncio.ensure_future(hook.function(session, point))
    try:
        done, _ = await asyncio.wait({task}, timeout=load(CoreSettings).hook_timeout)
    except asyncio.CancelledError:
        await _stop(hook, session, task)
        raise
    if not done:
        await _stop(hook, session, task)
        log.error("hook.timed_out", hook=hook.name, location=hook.location, point=hook.point.__name__)
        raise HookTimedOut
    if task.cancelled():
        raise RuntimeError(f"{hook.name} was canceled.")
    return task.result()


async def _stop(hook: Hook[Any], session: Session, task: asyncio.Future[Any]) -> None:
    """Cancel a hook, and end its use of the session even if it continues to run."""
    task.cancel()
    await asyncio.wait({task}, timeout=STOP_GRACE)
    await session.abort()
    if not task.done():
        _unresponsive.add(task)
        log.error("hook.unresponsive", hook=hook.name, location=hook.location, hint="It ignored its cancellation.")
    task.add_done_callback(_forget)


_unresponsive: set[asyncio.Future[Any]] = set()


def _forget(task: asyncio.Future[Any]) -> None:
    """Retrieve the exception, so that asyncio does not report it."""
    _unresponsive.discard(task)
    if not task.cancelled():
        task.exception()


def _check_amendment(hook: Hook[P], point: P, returned: object) -> P:
    """Return the amended point. Raises `TypeError` or `ValueError` if it is invalid."""
    if type(returned) is not type(point):
        raise TypeError(f"{hook.name} must return a {type(point).__name__} or None, not {type(returned).__name__}.")
    before, after = msgspec.structs.asdict(point), msgspec.structs.asdict(returned)
    fixed = [name for name in after if name not in point.amendable and after[name] != before[name]]
    if fixed:
        known = ", ".join(point.amendable) or "none"
        raise TypeError(f"{hook.name} changed {', '.join(fixed)}. The amendable fields are: {known}.")
    return msgspec.convert(after, type(point))
