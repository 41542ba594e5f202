"""`Idempotency-Key` on POST: a retried request returns the stored response instead of being executed again.

The same key with the same request returns the stored response and `Idempotency-Replayed: true`; with another body, path
or query it returns 422 `IDEMPOTENCY_KEY_REUSED`. A key belongs to its principal (user or API key, and current team) and
expires after `IDEMPOTENCY_HOURS`. It is checked after the guards: a retry may still be refused, and counts for rate
limits. Requests without the header are not affected.

The guarantee of a route follows from its signature:

- A route with `SessionDep` is executed **exactly once**: its transaction inserts the key's row first and stores the
  response last, so a crash at any point leaves both or nothing. A duplicate waits on the row.
- A route with its own transactions is executed **at most once**: the key's row is committed before. If the process dies
  in between, a retry gets 409 `IDEMPOTENCY_OUTCOME_UNKNOWN`: the client must check before it retries with another key.
- `idempotency="never_store"` is for routes that return tokens, keys or codes: the response is not stored, and a retry
  gets 409 `IDEMPOTENCY_SECRET`. If the client is not signed in, the key belongs to its address.
- `idempotency=Exempt("…")` declares that the header is ignored. Every other route without a principal must have it.

A raised client error releases the key, which can be sent again with the same or another body. A returned response is
stored whatever its status. Responses that are streamed, set cookies or exceed `IDEMPOTENCY_MAX_RESPONSE` are not
stored; a retry gets 409 `IDEMPOTENCY_RESPONSE_NOT_STORED`. PUT, PATCH and DELETE are idempotent already, or with
`If-Match`.
"""

from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.context import current_context
from undercroft.core.db.dependencies import open_session
from undercroft.core.db.session import Session
from undercroft.core.errors import Conflict, Unprocessable
from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.guards import current_principal
from undercroft.core.http.route_info import Exempt, get_info
from undercroft.core.keyed_lock import KeyedLocks
from undercroft.core.settings import CoreSettings, load

RouteHandler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]

HEADER = b"idempotency-key"


class InvalidIdempotencyKey(Unprocessable):
    code = "IDEMPOTENCY_KEY_INVALID"
    message = "Idempotency-Key must be 1 to 255 visible ASCII characters, for example a random UUID."


class IdempotencyKeyReused(Unprocessable):
    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This Idempotency-Key was used for another request. Use a new key for each operation."


class IdempotencyInProgress(Conflict):
    code = "IDEMPOTENCY_IN_PROGRESS"
    message = "The request with this Idempotency-Key is still running. Retry in a moment."
    default_headers = {"Retry-After": "1"}


class IdempotencySecret(Conflict):
    code = "IDEMPOTENCY_SECRET"
    message = "The request succeeded, but its response had a secret that is not stored. Use a new Idempotency-Key."


class IdempotencyResponseNotStored(Conflict):
    code = "IDEMPOTENCY_RESPONSE_NOT_STORED"
    message = "The request succeeded, but its response was not stored."


class IdempotencyOutcomeUnknown(Conflict):
    code = "IDEMPOTENCY_OUTCOME_UNKNOWN"
    message = "The request with this Idempotency-Key was interrupted. Check its effect before retrying with a new key."


KEY_ERRORS = (InvalidIdempotencyKey, IdempotencyKeyReused, IdempotencyInProgress)


class IdempotencyMode(StrEnum):
    """The guarantee that the header gives on a route."""

    EXACTLY_ONCE = "exactly once"
    AT_MOST_ONCE = "at most once"
    IGNORED = "ignored"


class IdempotencyOutcome(StrEnum):
    """The outcome of the first request with a key."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    SECRET = "secret"  # noqa: S105
    NOT_STORED = "not_stored"


class RawResponse(Struct, frozen=True):
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class KeyClaim(Struct, frozen=True):
    """A key of a principal, and the fingerprint of the request that it was sent with."""

    digest: bytes
    fingerprint: bytes


class StoredResponse(Struct, frozen=True):
    """The stored outcome of a key; `same_request` tells whether it was sent with the same request."""

    outcome: IdempotencyOutcome
    same_request: bool
    raw_response: RawResponse | None = None


class KeyStore(Protocol):
    """Stores keys and responses. Without a session, each method uses its own transaction."""

    locks: KeyedLocks[tuple[KeyClaim, StoredResponse]]

    async def claim(self, claim: KeyClaim, session: Session | None) -> StoredResponse | None:
        """Claim the key: None if it was free, otherwise its stored outcome. Raises `IdempotencyInProgress`."""
        ...

    async def store(
        self, claim: KeyClaim, raw_response: RawResponse | None, outcome: IdempotencyOutcome, session: Session | None
    ) -> StoredResponse:
        """Store the outcome, and the response if it is not too large."""
        ...

    async def release(self, claim: KeyClaim, session: Session | None) -> None:
        """Release the key: the request changed nothing."""
        ...


def has_key(request: Request) -> bool:
    """Whether a request has the header and the application stores keys."""
    scope = request.scope
    return (
        scope["method"] == "POST"
        and HEADER in scope["state"]["request_headers"]
        and current_context().find(KeyStore) is not None
    )


def stores_keys() -> bool:
    """Whether this application honors the header: without the module `idempotency`, it ignores it on all routes."""
    return load(CoreSettings).has_module("idempotency")


def is_secret(route: APIRoute) -> bool:
    """Whether the response of a route has a secret (tokens, API keys, recovery codes), so that it is never stored."""
    return get_info(route).idempotency == "never_store"


def declares_idempotency(route: APIRoute) -> bool:
    """Whether a POST route declares how it handles the header."""
    return (
        get_idempotency_mode(route) is not IdempotencyMode.IGNORED
        or "POST" not in (route.methods or ())
        or isinstance(get_info(route).idempotency, Exempt)
    )


def get_idempotency_mode(route: APIRoute) -> IdempotencyMode:
    """The guarantee that the header gives on a route."""
    if "POST" not in (route.methods or ()) or isinstance(get_info(route).idempotency, Exempt):
        return IdempotencyMode.IGNORED
    signed_in = depends_on(route, current_principal)
    if not signed_in and not is_secret(route):
        return IdempotencyMode.IGNORED
    return IdempotencyMode.EXACTLY_ONCE if depends_on(route, open_session) else IdempotencyMode.AT_MOST_ONCE
