"""An emulator of captcha services with a `siteverify` endpoint, which can fail on request.

service = CaptchaEmulator()
await service.start()
token = service.solve()              # the token that a widget would return; valid once
service.failure = Failure.DOWN
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from undercroft.devstack.emulators.http import LocalServer, read_form

SITE_KEY = "site-key-of-the-emulator"
SECRET = "secret-of-the-emulator"
PATH = "/siteverify"


class Failure(StrEnum):
    DOWN = "down"
    SLOW = "slow"
    HUGE = "huge"
    NOT_JSON = "not_json"
    NO_VERDICT = "no_verdict"
    REDIRECT = "redirect"


class CaptchaEmulator:
    """`received_forms` are the submitted forms without the secret; `score` is the score of reCAPTCHA v3."""

    def __init__(self) -> None:
        self.server = LocalServer(self._handle)
        self.received_forms: list[dict[str, str]] = []
        self.failure: Failure | None = None
        self.score: float | None = None
        self._solved: set[str] = set()

    async def start(self) -> str:
        """Start the server and return the URL of the `siteverify` endpoint."""
        return await self.server.start() + PATH

    async def stop(self) -> None:
        await self.server.stop()

    def solve(self) -> str:
        """Return a token that can be verified once."""
        token = secrets.token_urlsafe(24)
        self._solved.add(token)
        return token

    async def _handle(self, request: Request) -> Response:
        if self.failure is not None:
            return await self._failure_response(self.failure)
        if (request.method, request.url.path) != ("POST", PATH):
            return JSONResponse({"success": False, "error-codes": ["bad-request"]}, 404)
        form = await read_form(request)
        self.received_forms.append({name: value for name, value in form.items() if name != "secret"})
        return JSONResponse(self._siteverify_body(form))

    def _siteverify_body(self, form: dict[str, str]) -> dict[str, Any]:
        if form.get("secret") != SECRET:
            return {"success": False, "error-codes": ["invalid-input-secret"]}
        if form.get("response", "") not in self._solved:
            return {"success": False, "error-codes": ["invalid-input-response"]}
        self._solved.remove(form["response"])
        verdict = {"success": True, "challenge_ts": datetime.now(UTC).isoformat(), "hostname": "localhost"}
        return verdict if self.score is None else {**verdict, "score": self.score, "action": "sign_in"}

    async def _failure_response(self, failure: Failure) -> Response:
        match failure:
            case Failure.SLOW:
                await asyncio.sleep(60)
            case Failure.HUGE:
                return StreamingResponse(_endless(), media_type="application/json")
            case Failure.NOT_JSON:
                return HTMLResponse("<p>Success!</p>")
            case Failure.NO_VERDICT:
                return JSONResponse({"success": "yes"})
            case Failure.REDIRECT:
                return RedirectResponse("/elsewhere", 302)
            case Failure.DOWN:
                pass
        return JSONResponse({"success": True}, 503)


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"success": true, "padding": "'
    while True:
        yield b"x" * 65_536
        await asyncio.sleep(0)  # the server notices that the client has closed the connection
