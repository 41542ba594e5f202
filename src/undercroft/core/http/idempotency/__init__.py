"""`Idempotency-Key` on POST: a request that is sent again is answered again instead of carried out again.

The same key with the same request gets the stored answer and `Idempotency-Replayed: true`; with another body, path or
query 422 `IDEMPOTENCY_KEY_REUSED`. A key belongs to its principal (person or API key, and current team), for as long
as `IDEMPOTENCY_HOURS` says. It is looked at after the guards: a repeat may still be refused, and counts as a request.
Without the header nothing of this runs.

How a route stands is found out from its signature:

- One that asks for `SessionDep` is carried out **exactly once**: the key's row is written first in its transaction and
  the answer last, so a crash between any two lines leaves both or nothing. A duplicate waits on the row.
- One that uses transactions of its own is carried out **at most once**: its row is committed before. When the process
  dies in between, a repeat gets 409 `IDEMPOTENCY_OUTCOME_UNKNOWN`: look before you try again with another key.
- `@returns_secret` is for routes that answer tokens, keys or codes: nothing of the answer is kept, and a repeat gets
  409 `IDEMPOTENCY_SECRET`. Where nobody is signed in yet, the key belongs to the client's address.
- `@idempotency_exempt("why")` says that the header is not looked at. Every other route without a principal must say it.

A refusal frees its key, to be sent again with the same or another body. An answer that was returned instead of raised
is kept whatever its status. Answers that are streamed, set cookies or are larger than `IDEMPOTENCY_MAX_ANSWER` are not
kept; a repeat gets 409 `IDEMPOTENCY_ANSWER_NOT_KEPT`. PUT, PATCH and DELETE are idempotent by themselves, or by
`If-Match`.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from fastapi.routing import APIRoute
from msgspec import Struct

from undercroft.core.db.dependencies import open_session
from undercroft.core.db.session import Session
from undercroft.core.errors import Conflict, Unprocessable
from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.guards import current_principal
from undercroft.core.http.keyed_lock import KeyedLocks

HEADER = b"idempotency-key"
F = TypeVar("F", bound=Callable[..., Any])


class InvalidIdempotencyKey(Unprocessable):
    code = "IDEMPOTENCY_KEY_INVALID"
    message = "An Idempotency-Key has 1 to 255 visible ASCII characters; a random UUID is a good one."


class IdempotencyKeyReused(Unprocessable):
    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This Idempotency-Key was sent with another request. Use a new one for each thing to be done."


class IdempotencyInProgress(Conflict):
    code = "IDEMPOTENCY_IN_PROGRESS"
    message = "The request with this Idempotency-Key is still being carried out. Ask again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class IdempotencySecret(Conflict):
    code = "IDEMPOTENCY_SECRET"
    message = "This was done, but its answer held a secret that is not kept. Look, then use a new Idempotency-Key."


class IdempotencyResponseNotStored(Conflict):
    code = "IDEMPOTENCY_ANSWER_NOT_KEPT"
    message = "This was done, but its answer was not kept."


class IdempotencyOutcomeUnknown(Conflict):
    code = "IDEMPOTENCY_OUTCOME_UNKNOWN"
    message = "The request with this Idempotency-Key was cut off. Look before you try again with a new one."


KEY_ERRORS = (InvalidIdempotencyKey, IdempotencyKeyReused, IdempotencyInProgress)


class IdempotencyMode(StrEnum):
    """What the header means to a route."""

    EXACTLY_ONCE = "exactly once"
    AT_MOST_ONCE = "at most once"
    IGNORED = "ignored"


class IdempotencyOutcome(StrEnum):
    """What is known of the request that a key was first sent with."""

    RUNNING = "running"
    INTERRUPTED = "cut off"
    COMPLETED = "answered"
    SECRET = "secret"  # noqa: S105
    NOT_STORED = "not kept"


class RawResponse(Struct, frozen=True):
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class KeyClaim(Struct, frozen=True):
    """A key in the hands of its principal, and the request that it was sent with."""

    digest: bytes
    fingerprint: bytes


class StoredResponse(Struct, frozen=True):
    """What is known of a key; `same_request` says whether it came with the same request."""

    outcome: IdempotencyOutcome
    same_request: bool
    raw_response: RawResponse | None = None


class KeyStore(Protocol):
    """Where keys are kept. Without a session, each method is a transaction of its own."""

    locks: KeyedLocks[tuple[KeyClaim, StoredResponse]]

    async def claim(self, claim: KeyClaim, session: Session | None) -> StoredResponse | None:
        """Take the key: None when it was free, else what is known of it. Raises `IdempotencyInProgress`."""
        ...

    async def store(
        self, claim: KeyClaim, raw_response: RawResponse | None, outcome: IdempotencyOutcome, session: Session | None
    ) -> StoredResponse:
        """Keep how it ended, and the answer if there is one that fits."""
        ...

    async def release(self, claim: KeyClaim, session: Session | None) -> None:
        """Give the key back: nothing was done."""
        ...


def returns_secret(endpoint: F) -> F:
    """Declare that a POST route answers a secret (tokens, API keys, recovery codes): its answer is never kept.

    Put it under the route's decorator. A repeat of an `Idempotency-Key` gets 409 `IDEMPOTENCY_SECRET`.
    """
    endpoint.__returns_secret__ = True  # type: ignore[attr-defined]
    return endpoint


def idempotency_exempt(reason: str) -> Callable[[F], F]:
    """Declare that a POST route does not look at `Idempotency-Key`, and why that does no harm."""
    if not reason:
        raise ValueError("Say why the header need not be looked at.")

    def mark(endpoint: F) -> F:
        endpoint.__idempotency_exempt__ = reason  # type: ignore[attr-defined]
        return endpoint

    return mark


def is_secret(route: APIRoute) -> bool:
    return getattr(route.endpoint, "__returns_secret__", False)


def declares_idempotency(route: APIRoute) -> bool:
    """Whether it is known what the header means to this POST route; a test asks this of every one."""
    return (
        get_idempotency_mode(route) is not IdempotencyMode.IGNORED
        or "POST" not in (route.methods or ())
        or hasattr(route.endpoint, "__idempotency_exempt__")
    )


def get_idempotency_mode(route: APIRoute) -> IdempotencyMode:
    """What the header means to a route."""
    if "POST" not in (route.methods or ()) or hasattr(route.endpoint, "__idempotency_exempt__"):
        return IdempotencyMode.IGNORED
    signed_in = depends_on(route, current_principal)
    if not signed_in and not is_secret(route):
        return IdempotencyMode.IGNORED
    return IdempotencyMode.EXACTLY_ONCE if depends_on(route, open_session) else IdempotencyMode.AT_MOST_ONCE
