"""Test users that use the API and read their email."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx

from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.testing.jobs import CapturedJobs

PASSWORD = "three otters in a boat"
HOST = "test.local"
LINK = re.compile(r"https?://\S+\?token=\S+")


def make_client(app: Api, *, ip: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
    """Create a client that stores cookies like a browser; it sends no Origin header by default."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ip, 50000))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers)


@dataclass
class Mail:
    id: str
    to: str
    subject: str
    text: str

    @property
    def token(self) -> str:
        match = LINK.search(self.text)
        assert match, self.text
        return parse_qs(urlsplit(match[0]).query)["token"][0]


@dataclass
class Mailbox:
    """The emails that were sent, after all jobs have run, in the order of the job IDs."""

    folder: Path
    jobs: CapturedJobs
    _seen: set[str] = field(default_factory=set)

    async def list_new(self, to: str | None = None) -> list[Mail]:
        """Return the emails since the last call, of one recipient if given, oldest first."""
        await self.jobs.run_all(future=True)
        return await asyncio.to_thread(self._read, to)

    async def latest(self, to: str) -> Mail:
        mails = await self.list_new(to)
        assert mails, f"No email to {to}"
        return mails[-1]

    def _read(self, to: str | None) -> list[Mail]:
        mails = []
        for path in sorted(self.folder.rglob("*.eml")):
            if path.name in self._seen:
                continue
            mail = _parse(path)
            if to is None or mail.to == to:
                self._seen.add(path.name)
                mails.append(mail)
        return sorted(mails, key=lambda mail: mail.id)


def _parse(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    return Mail(str(message["Message-ID"]), str(message["To"]), str(message["Subject"]), body.get_content())


@dataclass
class RegisteredUser:
    """A user with an account, signed in with tokens."""

    http: httpx.AsyncClient
    email: str
    password: str
    access_token: str
    refresh_token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(f"/api/v1{path}", headers={**self.bearer, **headers})

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        return await self.http.request(
            method, f"/api/v1{path}", content=content, headers={**kind, **self.bearer, **headers}
        )

    async def sign_in_again(self, password: str | None = None) -> "RegisteredUser":
        tokens = (await sign_in(self.http, self.email, password or self.password)).json()
        return RegisteredUser(self.http, self.email, self.password, tokens["access_token"], tokens["refresh_token"])


def new_email() -> str:
    return f"{new_id().hex[-12:]}@example.com"


async def post(http: httpx.AsyncClient, path: str, body: Any, **headers: str) -> httpx.Response:
    return await http.post(f"/api/v1/auth{path}", json=body, headers=headers)


async def sign_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return await post(http, "/login", {"email": email, "password": password, **more})


async def register(
    http: httpx.AsyncClient, email: str, password: str = PASSWORD, full_name: str = "Ada Lovelace"
) -> httpx.Response:
    return await post(http, "/register", {"email": email, "password": password, "full_name": full_name})


async def create_registered_user(http: httpx.AsyncClient, mailbox: Mailbox, email: str | None = None) -> RegisteredUser:
    """Register a user, verify the address, sign in, and consume the welcome email."""
    email = email or new_email()
    assert (await register(http, email)).status_code == 202
    token = (await mailbox.latest(email)).token
    response = await post(http, "/verify-email", {"token": token})
    assert response.status_code == 200, response.text
    assert "Welcome" in (await mailbox.latest(email)).subject
    return RegisteredUser(http, email, PASSWORD, response.json()["access_token"], response.json()["refresh_token"])


def error_code(response: httpx.Response) -> str:
    return str(response.json()["error"]["code"])
