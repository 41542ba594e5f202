"""Requests to an application in this process, with control over the raw bytes of headers and paths."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from undercroft.core.http.application import Api

Header = tuple[str, str]


@dataclass
class AsgiResponse:
    status: int
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    messages: list[dict[str, Any]]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.raw_headers}

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.raw_headers if key.decode() == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class AsgiClient:
    """`await asgi_client.get("/path")`, `await asgi_client("PUT", "/path", body=…)`."""

    def __init__(self, app: Api) -> None:
        self.app = app

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes | Sequence[bytes] = b"",
        json_body: Any = None,
        query: bytes = b"",
        client: tuple[str, int] | None = ("192.0.2.10", 4711),
        scheme: str = "https",
        host: str | None = "api.example.com",
    ) -> AsgiResponse:
        chunks = [body] if isinstance(body, bytes) else list(body)
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if json_body is not None:
            chunks = [json.dumps(json_body).encode()]
            raw.append((b"content-type", b"application/json"))
        if host is not None:
            raw.append((b"host", host.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": query,
            "headers": raw,
            "scheme": scheme,
            "server": ("api.example.com", 443),
            "client": client,
            "root_path": "",
        }
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not chunks:
                await asyncio.Event().wait()
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Any) -> None:
            messages.append(dict(message))

        await self.app(scope, receive, send)
        starts = [message for message in messages if message["type"] == "http.response.start"]
        assert len(starts) == 1, f"a response must begin once, not {len(starts)} times"
        content = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
        return AsgiResponse(starts[0]["status"], list(starts[0]["headers"]), content, messages)

    async def get(self, path: str, **kwargs: Any) -> AsgiResponse:
        return await self("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> AsgiResponse:
        return await self("POST", path, **kwargs)
