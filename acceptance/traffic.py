"""A constant rate of requests, and their statuses and durations."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle

import httpx2 as httpx

from acceptance.users import API, UserClient

RATE = 20
"""Requests per second."""


@dataclass
class Traffic:
    """The requests so far. A request without a response has the status 599."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    created: int = 0

    @property
    def passed(self) -> bool:
        return bool(self.seconds) and not self.unexpected

    @property
    def p99(self) -> float:
        """The 99th percentile of the durations in seconds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]

    def __str__(self) -> str:
        durations = f"p99 {self.p99 * 1000:.0f} ms, maximum {max(self.seconds) * 1000:.0f} ms"
        return f"{len(self.seconds)} requests, {dict(self.statuses)}, {durations} {self.unexpected[:2] or ''}".rstrip()


@asynccontextmanager
async def traffic(
    users: Sequence[UserClient], servers: Sequence[httpx.AsyncClient], path: str
) -> AsyncIterator[Traffic]:
    """Send requests of these users, in turn to each server, until the block ends: reads, and every fifth one a POST."""
    found, running = Traffic(), set[asyncio.Task[None]]()

    async def send(number: int, user: UserClient, server: httpx.AsyncClient) -> None:
        started = time.monotonic()
        body = {"name": f"Number {number}"}
        method, url = [("GET", "/app/users/me"), ("GET", path), ("POST", path)][(0, 1, 0, 1, 2)[number % 5]]
        try:
            response = await server.request(
                method, API + url, json=body if method == "POST" else None, headers=user.headers
            )
            status, text = response.status_code, response.text
        except httpx.HTTPError as error:
            status, text = 599, repr(error)
        found.seconds.append(time.monotonic() - started)
        found.statuses[status] += 1
        found.created += status == 201
        if status not in (200, 201):
            found.unexpected.append(f"{status} {method} {url}: {text[:200]}")

    async def send_all() -> None:
        begin, everyone, everywhere = time.monotonic(), cycle(users), cycle(servers)
        number = 0
        while True:
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            task = asyncio.create_task(send(number, next(everyone), next(everywhere)))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1

    sending = asyncio.create_task(send_all())
    try:
        yield found
    finally:
        sending.cancel()
        await asyncio.gather(sending, *running, return_exceptions=True)
