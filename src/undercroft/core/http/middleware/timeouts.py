"""An answer begins in time or is given up."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.http.errors import RequestTimedOut, answer


class Timeouts:
    """Cancels the application and answers 504 when an answer has not begun after so many seconds.

    Streams may take as long as they like once they have begun.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        timer = asyncio.timeout(self._seconds)

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                timer.reschedule(None)
            await send(message)

        try:
            async with timer:
                await self.app(scope, receive, send_in_time)
        except TimeoutError:
            if not timer.expired():
                raise
            await answer(RequestTimedOut(), scope, send)
