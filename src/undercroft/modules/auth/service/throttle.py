"""Throttles failed passwords and codes with increasing delays. The counters are stored in the database.

All endpoints that check a secret of an account share these counters. A counter is incremented before the check, so that
concurrent guesses count, and decremented after a success. During a delay no secret is checked: a correct password gets
the same response as a wrong one.

- A device that has signed in to the account has a separate counter, and only that one applies to it. So other clients
  cannot lock out the owner, and a stolen device cookie allows no more than the few guesses of that counter.
- Otherwise the pair of account and network address is delayed first and longest. The whole account is delayed for at
  most a minute, and not for an address at which its owner has signed in. A network address that fails with many
  accounts is delayed, too.

Unknown accounts are counted like known ones.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.db.reauthorization import without_reauthorization
from undercroft.core.errors import AppError
from undercroft.modules.auth.errors import TooManyAttempts
from undercroft.modules.auth.repository import ThrottleRepository
from undercroft.modules.sessions import Client, SessionRepository

FAILURE_WINDOW = timedelta(hours=1)
PASSWORD = "password"  # noqa: S105


class ThrottleRule(Struct, frozen=True):
    """The delays of one counter, in seconds.

    After `free_attempts` failures, the next one causes a delay of `initial_delay`, and each further one doubles it, up
    to `max_delay`.
    """

    scope: str
    free_attempts: int
    initial_delay: float
    max_delay: float

    def delay(self, failures: int, scale: float) -> float:
        excess = failures - max(1, int(self.free_attempts * scale))
        return 0 if excess < 0 else min(self.max_delay, self.initial_delay * 2 ** min(excess, 30))


DEVICE = ThrottleRule("device", free_attempts=5, initial_delay=5, max_delay=900)
PAIR = ThrottleRule("pair", free_attempts=5, initial_delay=5, max_delay=900)
ACCOUNT = ThrottleRule("account", free_attempts=5, initial_delay=10, max_delay=60)
NETWORK = ThrottleRule("network", free_attempts=50, initial_delay=5, max_delay=900)


class SignInAttempt(Struct, frozen=True):
    """An attempt and the counters that it incremented; `own_key` is the counter of the device or pair."""

    own_key: bytes
    rules: dict[bytes, ThrottleRule]


class Throttle:
    def __init__(self, database: Database, *, scale: float = 1) -> None:
        self._database = database
        self._scale = scale

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open a transaction for the counters, without a new authorization of the caller before its commit.

        The authorization locks the caller's session. A password reset locks the session first and the counters second,
        so that one of the two would fail with a deadlock.
        """
        with without_reauthorization():
            async with self._database.session() as session:
                yield session

    async def begin(self, email: str, client: Client, *, factor: str = PASSWORD) -> SignInAttempt:
        """Count an attempt before it is checked. Raises `TooManyAttempts`, and then does not count it."""
        attempt, now = build_attempt(email, client, factor), utc_now()
        async with self.session() as session:
            rows = await ThrottleRepository(session).lock(attempt.rules, now)
            waits = {
                key: (row["blocked_until"] - now).total_seconds() for key, row in rows.items() if row["blocked_until"]
            }
            if waits.get(account := _key(ACCOUNT, email), 0) > 0 and await SessionRepository(session).was_started_from(
                client.ip, email=email
            ):
                rules = {key: rule for key, rule in attempt.rules.items() if key != account}
                attempt = SignInAttempt(attempt.own_key, rules)
            if (max_delay := max((waits.get(key, 0) for key in attempt.rules), default=0)) > 0:
                raise TooManyAttempts(retry_after=int(max_delay) + 1)
            failures = {key: _next_failures(rows[key], now) for key in attempt.rules}
            await self._count(session, attempt, failures, now, person_id_for_email(email))
        return attempt

    async def succeed(self, session: Session, attempt: SignInAttempt) -> None:
        """Uncount a successful attempt, and clear earlier failures of its device or pair."""
        await ThrottleRepository(session).decrement(attempt.rules, cleared=[attempt.own_key])

    async def withdraw(self, attempt: SignInAttempt) -> None:
        """Uncount an attempt that was not checked."""
        async with self.session() as session:
            await ThrottleRepository(session).decrement(attempt.rules, cleared=[])

    async def withdraw_refused(self, attempt: SignInAttempt, error: AppError, *, verified: bool) -> None:
        """Uncount an attempt with the right secret that a hook refused: its transaction was rolled back."""
        if verified and not error.commits:
            await self.withdraw(attempt)

    async def _count(
        self, session: Session, attempt: SignInAttempt, failures: dict[bytes, int], now: datetime, person_id: UUID
    ) -> None:
        delays = {key: rule.delay(failures[key], self._scale) for key, rule in attempt.rules.items()}
        until = [now + timedelta(seconds=delays[key]) if delays[key] else None for key in failures]
        await ThrottleRepository(session).update(failures, until, now)
        throttled = {rule.scope: delays[key] for key, rule in attempt.rules.items() if delays[key]}
        if throttled:
            await record(session, Entry("sign_in.throttled", after={"seconds": throttled}, person_id=person_id))


async def clear_failures(session: Session, email: str, client: Client) -> None:
    """Clear the failed passwords of an account after its owner has reset the password."""
    attempt = build_attempt(email, client, PASSWORD)
    keys = [attempt.own_key, _key(ACCOUNT, email)]
    await ThrottleRepository(session).decrement(keys, cleared=keys)


async def delete_expired(session: Session) -> None:
    await ThrottleRepository(session).delete_expired(utc_now() - 2 * FAILURE_WINDOW)


def build_attempt(email: str, client: Client, factor: str) -> SignInAttempt:
    if client.device.has_account(email):
        own_key = _key(DEVICE, factor, email, client.device.handle)
        return SignInAttempt(own_key, {own_key: DEVICE})
    network = network_prefix(client.ip)
    own_key = _key(PAIR, factor, email, network)
    return SignInAttempt(own_key, {own_key: PAIR, _key(ACCOUNT, email): ACCOUNT, _key(NETWORK, network): NETWORK})


def network_prefix(ip: str) -> str:
    """Return the address; for IPv6 its /64 prefix, within which one client can choose any address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else ip


def _key(rule: ThrottleRule, *parts: str) -> bytes:
    return hash_key(rule.scope, *parts)


def hash_key(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _next_failures(row: Any, now: datetime) -> int:
    return 1 + (row["failures"] if row["counted_at"] > now - FAILURE_WINDOW else 0)


PASSWORD_FAILURES = ("sign_in.failed", "sign_in.throttled")
"""Audit entries of a wrong password, on every route that verifies one."""
