"""The floor: what this machine can do at best with Python, and FROZEN, so that ratios stay comparable over the years.

A bare ASGI callable on an asyncpg pool of 16 without reset query, PyJWT HS256 on every request without a cache, msgspec
for bytes. `me` is one select by key, `list` the rows and then the count, `create` one `INSERT … RETURNING`. No check of
the caller, no validation, no logs, no limits, no headers beyond the type. Run by granian like the real thing.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import jwt
import msgspec
from uuid_utils.compat import uuid7

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SCHEMA = """
CREATE TABLE floor_users (
    id uuid PRIMARY KEY, email text NOT NULL UNIQUE, full_name text, locale text NOT NULL, timezone text NOT NULL,
    avatar_url text, role text NOT NULL, email_verified boolean NOT NULL, created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE floor_projects (
    id uuid PRIMARY KEY, owner_id uuid NOT NULL REFERENCES floor_users (id), name text NOT NULL, description text,
    status text NOT NULL, version integer NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
);
CREATE INDEX ON floor_projects (owner_id, created_at DESC, id DESC);
"""
ME = (
    "SELECT id, email, full_name, locale, timezone, avatar_url, role, email_verified, created_at, updated_at "
    "FROM floor_users WHERE id = $1"
)
ROWS = (
    "SELECT id, name, description, status, version, created_at, updated_at FROM floor_projects "
    "WHERE owner_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20"
)
COUNT = "SELECT count(*) FROM floor_projects WHERE owner_id = $1"
CREATE = (
    "INSERT INTO floor_projects (id, owner_id, name, description, status, version, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, 'active', 1, now(), now()) "
    "RETURNING id, name, description, status, version, created_at, updated_at"
)
SECRET = os.environ.get("FLOOR_SECRET", "")

encode = msgspec.json.Encoder().encode


class NewProject(msgspec.Struct):
    name: str
    description: str | None = None


decode_project = msgspec.json.Decoder(NewProject).decode


class Floor:
    pool: asyncpg.Pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        status, body = await self.respond(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def respond(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path, method = scope["path"], scope["method"]
        if path == "/health":
            return 200, encode({"status": "healthy", "version": "1"})
        if path == "/me":
            return 200, await self.me(caller(scope))
        if path == "/projects" and method == "GET":
            return 200, await self.list(caller(scope))
        if path == "/projects" and method == "POST":
            return 201, await self.create(caller(scope), await receive())
        return 404, b"{}"

    async def me(self, user: UUID) -> bytes:
        async with self.pool.acquire() as connection:
            return encode(dict(await connection.fetchrow(ME, user)))

    async def list(self, user: UUID) -> bytes:
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(ROWS, user)
            total = await connection.fetchval(COUNT, user)
        pages = -(-total // 20)
        return encode({"items": [dict(row) for row in rows], "total": total, "page": 1, "size": 20, "pages": pages})

    async def create(self, user: UUID, message: dict[str, Any]) -> bytes:
        new = decode_project(message["body"])
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(CREATE, uuid7(), user, new.name, new.description)
        return encode(dict(row))

    async def lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool = await asyncpg.create_pool(
            os.environ["FLOOR_DATABASE_URL"], min_size=16, max_size=16, reset=_skip_reset
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _skip_reset(_connection: asyncpg.Connection) -> None:
    """Replaces asyncpg's reset query, which would cost a round trip per request."""


def caller(scope: Scope) -> UUID:
    """Return the caller from the bearer token; PyJWT decodes it on every request."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return UUID(jwt.decode(value[7:], SECRET, algorithms=["HS256"])["sub"])
    raise PermissionError("no token")


app = Floor()
