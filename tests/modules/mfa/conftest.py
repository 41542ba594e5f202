from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from pyotp import HOTP

from tests.modules.auth.conftest import ada, auth_services, http
from tests.modules.auth.users import RegisteredUser, error_code, make_client, post, sign_in
from undercroft.core.http.application import Api
from undercroft.modules.mfa.service import codes
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL

__all__ = ["ada", "auth_services", "http"]


@dataclass
class Clock:
    """The time of authenticator apps and of the server."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def next_step(self, steps: int = 1) -> None:
        self.now += steps * codes.STEP_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(codes, "time", made)
    return made


@dataclass
class AuthenticatorApp:
    """An authenticator app with a secret."""

    secret: str
    clock: Clock

    def code(self, steps: int = 0) -> str:
        return HOTP(self.secret).at(int(self.clock.now) // codes.STEP_SECONDS + steps)

    def wrong(self) -> str:
        """Six digits that are not the code of the current or a nearby step."""
        near = {self.code(steps) for steps in range(-2, 3)}
        return next(f"{number:06}" for number in range(10) if f"{number:06}" not in near)


@dataclass
class MfaUser:
    """A user with an authenticator app."""

    user: RegisteredUser
    app: AuthenticatorApp
    recovery_codes: list[str] = field(default_factory=list)

    async def start_sign_in(self, **more: Any) -> dict[str, Any]:
        response = await sign_in(self.user.http, self.user.email, **more)
        assert (response.status_code, error_code(response)) == (401, "MFA_REQUIRED"), response.text
        details: dict[str, Any] = response.json()["error"]["details"]
        return details

    async def token(self, **more: Any) -> str:
        return str((await self.start_sign_in(**more))["mfa_token"])

    async def verify(self, token: str, **credential: Any) -> httpx.Response:
        return await post(self.user.http, "/mfa/verify", {"mfa_token": token, **credential})


async def enable_totp(user: RegisteredUser, clock: Clock) -> MfaUser:
    """Set up an app and advance the clock past the code that confirmed it."""
    started = await user.send("POST", "/auth/mfa/totp")
    assert started.status_code == 200, started.text
    app = AuthenticatorApp(started.json()["secret"], clock)
    confirmed = await user.send("POST", "/auth/mfa/totp/confirm", {"code": app.code()})
    assert confirmed.status_code == 200, confirmed.text
    clock.next_step()
    return MfaUser(user, app, confirmed.json()["recovery_codes"] or [])


async def add_passkey(user: RegisteredUser, key: Authenticator, name: str = "Key") -> httpx.Response:
    started = await user.send("POST", "/auth/passkeys/options")
    assert started.status_code == 200, started.text
    credential = key.create(started.json()["options"])
    return await user.send("POST", "/auth/passkeys", {"name": name, "credential": credential})


@pytest_asyncio.fixture(loop_scope="session")
async def mfa_user(ada: RegisteredUser, clock: Clock) -> MfaUser:
    return await enable_totp(ada, clock)


@pytest.fixture
def key() -> Authenticator:
    return Authenticator(PUBLIC_URL)


@pytest_asyncio.fixture(loop_scope="session")
async def passkey_user(ada: RegisteredUser, key: Authenticator) -> RegisteredUser:
    """A user with a passkey as the only second factor."""
    assert (await add_passkey(ada, key)).status_code == 201
    return ada


@pytest_asyncio.fixture(loop_scope="session")
async def page_browser(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with its own cookies."""
    async with make_client(app, Accept="text/html", Origin=PUBLIC_URL) as browser:
        yield browser
