"""No request's body is larger than allowed, whether it says its size or not."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.http.errors import PayloadTooLarge, answer

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyLimit:
    """Answers 413 at once when Content-Length is too large, or as soon as more has come than allowed.

    Whatever the application makes of a body that was cut off, the client gets the 413.
    """

    def __init__(self, app: ASGIApp, max_size: int) -> None:
        self.app = app
        self._max_size = max_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = scope["state"]["request_headers"]
        length = headers.get(b"content-length")
        if length is None and scope["method"] in WITHOUT_BODY and b"transfer-encoding" not in headers:
            await self.app(scope, receive, send)
        elif length is not None and _number(length) > self._max_size:
            await answer(self._too_large(), scope, send)
        else:
            counted = _Counted(self._max_size, receive, send)
            try:
                await self.app(scope, counted.receive, counted.send)
            except Exception:
                if not counted.exceeded or counted.started:
                    raise
            if counted.exceeded and not counted.started:
                await answer(self._too_large(), scope, send)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(details={"max_bytes": self._max_size}, headers={"Connection": "close"})


class _Counted:
    __slots__ = ("_left", "_receive", "_send", "exceeded", "started")

    def __init__(self, max_size: int, receive: Receive, send: Send) -> None:
        self._left = max_size
        self._receive = receive
        self._send = send
        self.exceeded = False
        self.started = False

    async def receive(self) -> Message:
        if self.exceeded:
            raise HTTPException(413)
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.exceeded = True
                raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.started:
            return
        self.started = True
        await self._send(message)


def _number(text: bytes) -> int:
    """The value of a Content-Length; one that is no number counts as zero and is left to the server."""
    return int(text.lstrip(b"0")[:20] or b"0") if text.isdigit() else 0
