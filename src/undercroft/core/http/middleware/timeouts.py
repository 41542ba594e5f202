"""Time out requests that get no response."""

import asyncio

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.http.errors import BodyTimedOut, RequestTimedOut, send_error

STEPS = 20


class Timeouts:
    """Cancels the application and returns 504 if the response has not begun after so many seconds, or 408 if the
    client's body had not arrived.

    Streams are not limited once they have begun. One timer checks all requests, with a precision of a twentieth of the
    limit; a timer per request would cost more than all other middleware.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds
        self._pending: set[_PendingRequest] = set()
        self._sweeping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        pending = self._watch(task)

        async def send_in_time(message: Message) -> None:
            self._pending.discard(pending)
            await send(message)

        try:
            await self.app(scope, receive, send_in_time)
        except asyncio.CancelledError:
            if not pending.expired or task.uncancel() > 0:
                raise
            stalled = scope["state"].get("body_stalled", False)
            error = BodyTimedOut(headers={"Connection": "close"}) if stalled else RequestTimedOut()
            await send_error(error, scope, send)
        finally:
            self._pending.discard(pending)

    def _watch(self, task: "asyncio.Task[object]") -> "_PendingRequest":
        loop = task.get_loop()
        pending = _PendingRequest(task, loop.time() + self._seconds)
        if self._loop is not loop:
            self._loop = loop
            self._pending.clear()
            self._sweeping = False
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(self._seconds / STEPS, self._sweep, loop)
        self._pending.add(pending)
        return pending

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        now = loop.time()
        for pending in [pending for pending in self._pending if pending.deadline <= now]:
            self._pending.discard(pending)
            pending.expired = True
            pending.task.cancel()
        self._sweeping = bool(self._pending)
        if self._sweeping:
            loop.call_later(self._seconds / STEPS, self._sweep, loop)


class _PendingRequest(Struct, eq=False):
    """A request without a response yet."""

    task: "asyncio.Task[object]"
    deadline: float
    expired: bool = False
