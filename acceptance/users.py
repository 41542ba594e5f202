"""A client of the HTTP API that registers, reads the mailbox and signs in."""

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

API = "/api/v1"
REUSE_INTERVAL = 10
"""Default of REFRESH_REUSE_INTERVAL in seconds."""
PASSWORD = "a-long-" + secrets.token_urlsafe(12)
used_secrets: set[str] = {PASSWORD}
"""All passwords and tokens of clients in this run; none of them may appear in a log."""


def new_email(name: str = "user") -> str:
    return f"{name}-{secrets.token_hex(5)}@example.com"


@dataclass
class UserClient:
    """A client for one account; `tokens` is the last token pair."""

    http: httpx.AsyncClient
    email: str = field(default_factory=new_email)
    password: str = PASSWORD
    tokens: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def register(self, password: str | None = None) -> httpx.Response:
        body = {"email": self.email, "password": password or self.password, "full_name": "Some Body"}
        return await self.http.post(f"{API}/auth/register", json=body)

    async def verify(self, token: str) -> httpx.Response:
        return await self._store_tokens(await self.http.post(f"{API}/auth/verify-email", json={"token": token}))

    async def login(self, password: str | None = None) -> httpx.Response:
        body = {"email": self.email, "password": password or self.password}
        return await self._store_tokens(await self.http.post(f"{API}/auth/login", json=body))

    async def refresh(self, token: str) -> httpx.Response:
        return await self.http.post(f"{API}/auth/refresh", json={"refresh_token": token})

    async def me(self, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.http.get(f"{API}/app/users/me", headers=headers or self.headers)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(API + path, params=parameters, headers=self.headers)

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, API + path, json=body, headers=self.headers)

    async def mails(self, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        """Return the emails to this address when there are at least `count`, or at the timeout."""
        limit = time.monotonic() + seconds
        while True:
            found = (await self.http.get("/dev/mailbox/messages", params={"to": self.email})).json()["items"]
            if len(found) >= count or time.monotonic() > limit:
                return list(found)
            await asyncio.sleep(0.1)

    async def find_link(self, part: str, seconds: float = 20) -> str:
        """Return the first link with this part in an email to this address. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while True:
                for mail in await self.mails(1):
                    for link in mail["links"]:
                        if part in link:
                            return str(link)
                await asyncio.sleep(0.1)

    async def _store_tokens(self, response: httpx.Response) -> httpx.Response:
        if response.status_code == 200:
            self.tokens = response.json()
            used_secrets.update({self.tokens["access_token"], self.tokens["refresh_token"]})
        return response


def extract_token(mail: dict[str, Any]) -> str:
    """Return the token in the link of an email."""
    for link in mail["links"]:
        if found := re.search(r"[?&#]token=([^&\s]+)", link):
            used_secrets.add(found.group(1))
            return found.group(1)
    raise LookupError(f"no link with a token in {mail['subject']!r}: {mail['links']}")


async def sign_up(http: httpx.AsyncClient) -> UserClient:
    """Create a verified account and sign in."""
    person = UserClient(http)
    (await person.register()).raise_for_status()
    mail = (await person.mails(1))[0]
    (await person.verify(extract_token(mail))).raise_for_status()
    return person
