"""Handle a POST with `Idempotency-Key`; `core.http.idempotency` documents the guarantees."""

import re
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import Any, Self, TypeVar, cast

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.auth.authorization import current_authorization
from undercroft.core.context import current_context
from undercroft.core.db.dependencies import SessionDep
from undercroft.core.db.errors import OutcomeUnknown
from undercroft.core.db.session import Session
from undercroft.core.errors import AppError
from undercroft.core.http._fastapi import with_last_dependency
from undercroft.core.http.errors import InternalError, as_app_error
from undercroft.core.http.idempotency import (
    HEADER,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyMode,
    IdempotencyOutcome,
    IdempotencyOutcomeUnknown,
    IdempotencyResponseNotStored,
    IdempotencySecret,
    InvalidIdempotencyKey,
    KeyClaim,
    KeyStore,
    RawResponse,
    RouteHandler,
    StoredResponse,
    get_idempotency_mode,
)
from undercroft.core.http.middleware.trusted_proxies import client_key

LOCK_TIMEOUT = 10.0
"""Seconds that a duplicate waits for the original request within one process."""
REPLAYED_HEADER = (b"idempotency-replayed", b"true")

_VALID = re.compile(rb"[\x21-\x7e]{1,255}")

R = TypeVar("R", bound=APIRoute)


class Replay(Exception):
    """Raised to end a request with a stored response."""

    def __init__(self, response: Response) -> None:
        self.response = response


class IdempotencyAttempt:
    """One request with the header. Its context ends after the transaction: the next duplicate continues then."""

    def __init__(self, keys: KeyStore, request: Request, *, secret: bool) -> None:
        self._keys = keys
        self._request = request
        self._locks = AsyncExitStack()
        self._secret = secret
        self._session: Session | None = None
        self._claim: KeyClaim | None = None
        self._stored: StoredResponse | None = None
        self._lock: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Pass the response to waiting duplicates in this process, if the transaction committed."""
        if kind is None and self._claim is not None and self._stored is not None:
            self._lock.result = self._claim, self._stored
        await self._locks.aclose()

    async def begin(self, session: Session | None) -> None:
        """Claim the key, in this session's transaction if there is one.

        Raises `Replay` and the errors in `core.http.idempotency`. Waits without a connection for other requests with
        the same key.
        """
        claim = await _build_claim(self._request)
        self._lock = await self._locks.enter_async_context(
            self._keys.locks.acquire(claim.digest, timeout=LOCK_TIMEOUT, error=IdempotencyInProgress)
        )
        if self._lock.result is not None:
            first, stored = self._lock.result
            raise await _error_or_replay(
                StoredResponse(stored.outcome, first.fingerprint == claim.fingerprint, stored.raw_response)
            )
        found = await self._keys.claim(claim, session)
        if found is not None:
            raise await _error_or_replay(found)
        self._claim, self._session = claim, session
        if (authorization := current_authorization()) is not None:
            authorization.mark_waited()

    async def on_response(self, response: Response) -> None:
        """Store the handler's response before the transaction commits."""
        if self._claim is not None:
            raw_response, outcome = _capture_response(response, secret=self._secret)
            self._stored = await self._keys.store(self._claim, raw_response, outcome, self._session)

    async def on_error(self, error: Exception) -> None:
        """Release the key after a refusal, unless the rollback does it. After a failure the outcome is unknown."""
        if self._claim is None:
            return
        if self._session is None:
            if not isinstance(as_app_error(error), OutcomeUnknown | InternalError):
                await self._keys.release(self._claim, None)
        elif isinstance(error, AppError) and error.commits:
            await self._keys.release(self._claim, self._session)


def make_idempotent(handle: RouteHandler, *, secret: bool) -> RouteHandler:
    """A handler that stores the response of another one before the transaction commits."""

    async def idempotent(request: Request) -> Response:
        attempt = IdempotencyAttempt(current_context().get(KeyStore), request, secret=secret)
        request.scope["state"]["idempotency"] = attempt
        await request.scope["fastapi_function_astack"].enter_async_context(attempt)
        try:
            await request.body()
            response = await handle(request)
            await attempt.on_response(response)
        except Replay as replay:
            return replay.response
        except Exception as error:
            await attempt.on_error(error)
            raise
        return response

    return idempotent


async def claim_in_transaction(request: Request, session: SessionDep) -> None:
    """The last dependency of a request with the header on a route that has a session."""
    await cast(IdempotencyAttempt, request.scope["state"]["idempotency"]).begin(session)


async def claim_in_own_transaction(request: Request) -> None:
    """The last dependency of a request with the header on a route that uses its own transactions."""
    await cast(IdempotencyAttempt, request.scope["state"]["idempotency"]).begin(None)


def add_claim_dependency(route: R) -> R:
    """A copy of the route with the claim as its last dependency: after the guards, before the endpoint."""
    claim = (
        claim_in_transaction
        if get_idempotency_mode(route) is IdempotencyMode.EXACTLY_ONCE
        else claim_in_own_transaction
    )
    return with_last_dependency(route, claim)


async def _build_claim(request: Request) -> KeyClaim:
    key = request.scope["state"]["request_headers"][HEADER]
    if not _VALID.fullmatch(key):
        raise InvalidIdempotencyKey
    scope = request.scope
    body = await request.body()
    return KeyClaim(_digest(*_owner(request), key), _digest(scope["path"].encode(), scope["query_string"], body))


def _owner(request: Request) -> list[bytes]:
    principal = getattr(request.state, "principal", None)
    if principal is None:
        return [b"address", client_key((request.scope.get("client") or ("",))[0]).encode()]
    actor = principal.actor
    ids = (actor.user_id, actor.api_key_id, actor.impersonator_id, principal.team_id)
    return [b"principal", *(each.bytes if each else b"" for each in ids)]


def _digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts. Different lists of parts never encode to the same message."""
    return sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def _capture_response(response: Response, *, secret: bool) -> tuple[RawResponse | None, IdempotencyOutcome]:
    if secret:
        return None, IdempotencyOutcome.SECRET
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or "set-cookie" in response.headers:
        return None, IdempotencyOutcome.NOT_STORED
    return RawResponse(response.status_code, list(response.raw_headers), body), IdempotencyOutcome.COMPLETED


async def _error_or_replay(stored: StoredResponse) -> Exception:
    """The result of a retried request, if its caller is still authorized after the wait. Otherwise it raises."""
    if (authorization := current_authorization()) is not None:
        await authorization.verify()
    if not stored.same_request:
        return IdempotencyKeyReused()
    if stored.raw_response is not None:
        response = Response(stored.raw_response.body, stored.raw_response.status)
        response.raw_headers = [*stored.raw_response.headers, REPLAYED_HEADER]
        return Replay(response)
    return _ERROR_BY_OUTCOME[stored.outcome]()


_ERROR_BY_OUTCOME: dict[IdempotencyOutcome, type[AppError]] = {
    IdempotencyOutcome.RUNNING: IdempotencyInProgress,
    IdempotencyOutcome.INTERRUPTED: IdempotencyOutcomeUnknown,
    IdempotencyOutcome.SECRET: IdempotencySecret,
    IdempotencyOutcome.NOT_STORED: IdempotencyResponseNotStored,
}
