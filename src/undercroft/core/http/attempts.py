"""A POST with `Idempotency-Key`, from its claim to its end; `core/http/idempotency.py` says what is promised."""

import re
from contextlib import AsyncExitStack
from copy import copy
from hashlib import sha256
from typing import Any, Self, cast

from fastapi import Depends
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.auth.authorization import current_authorization
from undercroft.core.db.dependencies import SessionDep
from undercroft.core.db.errors import OutcomeUnknown
from undercroft.core.db.session import Session
from undercroft.core.errors import AppError
from undercroft.core.http.errors import InternalError, as_app_error
from undercroft.core.http.idempotency import (
    HEADER,
    Answer,
    Claim,
    Handling,
    IdempotencyAnswerNotKept,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyOutcomeUnknown,
    IdempotencySecret,
    InvalidIdempotencyKey,
    Kept,
    Keys,
    Outcome,
    handling_of,
)
from undercroft.core.http.middleware.trusted_proxies import client_key

WAIT = 10.0
"""Seconds that a duplicate waits for its original within one process."""
REPLAYED = (b"idempotency-replayed", b"true")

_VALID = re.compile(rb"[\x21-\x7e]{1,255}")


class Replay(Exception):
    """Ends the handling of a request with an answer that was kept."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Attempt:
    """One request with the header, from its claim to its end."""

    def __init__(self, keys: Keys, request: Request, *, secret: bool) -> None:
        self._keys = keys
        self._request = request
        self._secret = secret
        self._session: Session | None = None
        self._claim: Claim | None = None
        self._kept: Kept | None = None
        self._turn: Any = None
        self._stack = AsyncExitStack()

    async def begin(self, session: Session | None) -> None:
        """Take the key, in this session's transaction if there is one.

        Raises `Replay` and the errors above. Waits without a connection for others with the same key.
        """
        claim = await _claim_of(self._request)
        try:
            self._turn = await self._stack.enter_async_context(self._keys.turns.take(claim.digest, wait=WAIT))
        except TimeoutError:
            raise IdempotencyInProgress from None
        if self._turn.left is not None:
            first, kept = self._turn.left
            raise await _refusal_or_replay(Kept(kept.outcome, first.request == claim.request, kept.answer))
        found = await self._keys.claim(claim, session)
        if found is not None:
            raise await _refusal_or_replay(found)
        self._claim, self._session = claim, session
        if (authorization := current_authorization()) is not None:
            authorization.waited()

    async def answered(self, response: Response) -> None:
        """The handler has answered: keep that, before the transaction commits."""
        if self._claim is not None:
            answer, outcome = _to_keep(response, secret=self._secret)
            self._kept = await self._keys.keep(self._claim, answer, outcome, self._session)

    async def failed(self, error: Exception) -> None:
        """The handler has raised: give the key back unless the transaction's end does so, or nobody knows the end."""
        if self._claim is None:
            return
        if self._session is None:
            if _is_refusal(error):
                await self._keys.free(self._claim, None)
        elif isinstance(error, AppError) and error.commits:
            await self._keys.free(self._claim, self._session)

    def committed(self) -> None:
        """Everything is written: whoever waits here gets the answer from memory."""
        if self._claim is not None and self._kept is not None:
            self._turn.left = self._claim, self._kept

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the next one have its turn."""
        await self._stack.aclose()


async def claim_in_transaction(request: Request, session: SessionDep) -> None:
    """The last dependency of a request with the header, on a route with a transaction."""
    await cast(Attempt, request.scope["state"]["idempotency"]).begin(session)


async def claim_before(request: Request) -> None:
    """The last dependency of a request with the header, on a route with transactions of its own."""
    await cast(Attempt, request.scope["state"]["idempotency"]).begin(None)


def keyed(route: APIRoute) -> APIRoute:
    """The same route with the claim as its last dependency: after the guards, before the endpoint."""
    claim = claim_in_transaction if handling_of(route) is Handling.EXACTLY_ONCE else claim_before
    route = copy(route)
    route.dependant = copy(route.dependant)
    last = get_parameterless_sub_dependant(depends=Depends(claim), path=route.path_format)
    route.dependant.dependencies = [*route.dependant.dependencies, last]
    return route


def _is_refusal(error: Exception) -> bool:
    """Whether somebody decided against it, as against something that broke on the way."""
    return not isinstance(as_app_error(error), OutcomeUnknown | InternalError)


async def _claim_of(request: Request) -> Claim:
    key = request.scope["state"]["request_headers"][HEADER]
    if not _VALID.fullmatch(key):
        raise InvalidIdempotencyKey
    scope = request.scope
    body = await request.body()
    return Claim(_digest(*_owner(request), key), _digest(scope["path"].encode(), scope["query_string"], body))


def _owner(request: Request) -> list[bytes]:
    principal = getattr(request.state, "principal", None)
    if principal is None:
        return [b"address", client_key((request.scope.get("client") or ("",))[0]).encode()]
    actor = principal.actor
    ids = (actor.user_id, actor.api_key_id, actor.impersonator_id, principal.team_id)
    return [b"principal", *(each.bytes if each else b"" for each in ids)]


def _digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts; no two different lists of parts are the same message."""
    return sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def _to_keep(response: Response, *, secret: bool) -> tuple[Answer | None, Outcome]:
    if secret:
        return None, Outcome.SECRET
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or "set-cookie" in response.headers:
        return None, Outcome.NOT_KEPT
    return Answer(response.status_code, list(response.raw_headers), body), Outcome.ANSWERED


def _again(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers = [*answer.headers, REPLAYED]
    return response


async def _refusal_or_replay(kept: Kept) -> Exception:
    """What a repeated request gets, as long as its caller is still authorized after the wait. Raises if not."""
    if (authorization := current_authorization()) is not None:
        await authorization.verify()
    if not kept.same:
        return IdempotencyKeyReused()
    if kept.answer is not None:
        return Replay(_again(kept.answer))
    return _REFUSED[kept.outcome]()


_REFUSED: dict[Outcome, type[AppError]] = {
    Outcome.RUNNING: IdempotencyInProgress,
    Outcome.CUT_OFF: IdempotencyOutcomeUnknown,
    Outcome.SECRET: IdempotencySecret,
    Outcome.NOT_KEPT: IdempotencyAnswerNotKept,
}
