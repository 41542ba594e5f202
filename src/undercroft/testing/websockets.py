"""WebSocket handshakes in tests."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from httpx2 import Response
from starlette.types import ASGIApp, Message

TIMEOUT = 10


async def connect_websocket(
    app: ASGIApp, path: str, *, headers: Mapping[str, str], query: Mapping[str, Any] | None = None, address: str = ""
) -> Response:
    """Open a WebSocket and close it at once. Returns 101 and the texts that were sent, or the refusal.

    A connection that is closed with an error after it was accepted counts as refused: 403, or 500 for code 1011.
    """
    inbox: list[Message] = [{"type": "websocket.connect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return inbox.pop() if inbox else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in {"Host": "test", **headers}.items()]
    scope = {
        "type": "websocket",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": urlencode(query or {}).encode(),
        "root_path": "",
        "scheme": "wss",
        "headers": raw,
        "client": (address or "198.18.0.1", 50000),
        "server": ("test", 443),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    async with asyncio.timeout(TIMEOUT):
        await app(scope, receive, send)
    return _to_response(sent)


def _to_response(sent: list[Message]) -> Response:
    kinds = {message["type"]: message for message in sent}
    if "websocket.http.response.start" in kinds:
        start = kinds["websocket.http.response.start"]
        body = b"".join(message.get("body", b"") for message in sent)
        return Response(start["status"], headers=start["headers"], content=body)
    code = kinds.get("websocket.close", {}).get("code", 1000)
    if "websocket.accept" not in kinds or code not in (1000, 1001, 1005):
        return Response(500 if code == 1011 else 403, text=kinds.get("websocket.close", {}).get("reason", ""))
    texts = (message.get("text") or message.get("bytes", b"").decode() for message in sent[1:])
    return Response(101, headers=kinds["websocket.accept"].get("headers"), text="\n".join(texts))
