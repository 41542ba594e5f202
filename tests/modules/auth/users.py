"""Test users that use the API and read their email."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.testing import Mailbox

PASSWORD = "three otters in a boat"
HOST = "test.local"


def make_client(app: Api, *, ip: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
    """Create a client that stores cookies like a browser; it sends no Origin header by default."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(ip, 50000))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers)


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
