"""Middleware around all routes of the application. It must be pure ASGI."""

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServerTiming:
    """Reports the duration of the requests of this extension in `Server-Timing`, which browsers show."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/ext/example/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        started = perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                duration = (perf_counter() - started) * 1000
                MutableHeaders(scope=message)["Server-Timing"] = f"app;dur={duration:.1f}"
            await send(message)

        await self.app(scope, receive, send_timed)


MIDDLEWARE = [ServerTiming]
