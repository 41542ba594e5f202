"""Verify again that the callers of open WebSockets still have access."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.auth.authorization import current_authorization

VERIFY_SECONDS = 5.0
"""Seconds for which an open WebSocket relies on the last verification of its caller."""


class WebSocketAccess:
    """Verifies the caller again before a message passes in either direction, at most every `VERIFY_SECONDS`.

    If access has ended (session revoked, token expired, permission withdrawn), the endpoint gets the error instead of
    the message, and the connection is closed with 1008.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_verified() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                await _verify()
            return message

        async def send_verified(message: Message) -> None:
            if message["type"] == "websocket.send":
                await _verify()
            await send(message)

        await self.app(scope, receive_verified, send_verified)


async def _verify() -> None:
    authorization = current_authorization()
    if authorization is not None and authorization.age > VERIFY_SECONDS:
        await authorization.verify()
