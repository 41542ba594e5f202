"""Failed sign-ins cost time, more each time; what was counted is seen by every process.

Three counts go up before a password is looked at, so that parallel guesses are counted too, and down again when it was
right. A pair of account and network address waits first and longest. An account as a whole waits at most a minute, and
not at all from an address at which its owner signed in before: nobody can lock an owner out. (The rate limit of an
account is one more reason for it to wait, from which its owner is free as well.) A network address that fails with many
accounts waits, too. Unknown accounts are counted like known ones.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from msgspec import Struct
from sqlalchemy import text

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, Statement, utc_now
from undercroft.modules.auth.errors import TooManyAttempts
from undercroft.modules.auth.repository import SessionRepository

FORGOTTEN_AFTER = timedelta(hours=1)
PASSWORD = "password"  # noqa: S105

_HOLD = Statement(
    text(
        "INSERT INTO auth_throttles (key, failures, counted_at) "
        "SELECT key, 0, CAST(:now AS timestamptz) FROM unnest(CAST(:keys AS bytea[])) AS key ORDER BY key "
        "ON CONFLICT (key) DO UPDATE SET key = excluded.key "
        "RETURNING key, failures, counted_at, blocked_until"
    )
)
_COUNT = Statement(
    text(
        "UPDATE auth_throttles AS t SET failures = n.failures, blocked_until = n.until, "
        "counted_at = CAST(:now AS timestamptz) FROM unnest(CAST(:keys AS bytea[]), CAST(:failures AS int[]), "
        "CAST(:until AS timestamptz[])) AS n (key, failures, until) WHERE t.key = n.key"
    )
)
_TAKE_BACK = Statement(
    text(
        "WITH held AS (SELECT key FROM auth_throttles WHERE key = ANY(CAST(:keys AS bytea[])) ORDER BY key FOR UPDATE) "
        "UPDATE auth_throttles AS t SET blocked_until = NULL, "
        "failures = CASE WHEN t.key = ANY(CAST(:cleared AS bytea[])) THEN 0 ELSE greatest(t.failures - 1, 0) END "
        "FROM held WHERE t.key = held.key"
    )
)
_FORGET = Statement(text("DELETE FROM auth_throttles WHERE counted_at < CAST(:before AS timestamptz)"))


class Rule(Struct, frozen=True):
    """`free` failures cost nothing; the next costs `first` seconds, each further one twice as much up to `longest`."""

    scope: str
    free: int
    first: float
    longest: float

    def delay(self, failures: int, scale: float) -> float:
        over = failures - max(1, int(self.free * scale))
        return 0 if over < 0 else min(self.longest, self.first * 2 ** min(over, 30))


PAIR = Rule("pair", free=5, first=5, longest=900)
ACCOUNT = Rule("account", free=20, first=1, longest=60)
NETWORK = Rule("network", free=50, first=5, longest=900)


class Attempt(Struct, frozen=True):
    """One guess that was counted: the keys of its pair, its account and its network address."""

    pair: bytes
    account: bytes
    network: bytes

    @property
    def keys(self) -> dict[bytes, Rule]:
        return {self.pair: PAIR, self.account: ACCOUNT, self.network: NETWORK}


class Throttle:
    def __init__(self, database: Database, *, scale: float = 1) -> None:
        self._database = database
        self._scale = scale

    async def begin(self, email: str, ip: str, *, factor: str = PASSWORD, account_waits: int = 0) -> Attempt:
        """Count a guess of this factor before it is checked. Raises `TooManyAttempts`, and then nothing is counted.

        `account_waits` are seconds that the account as a whole waits for another reason.
        """
        attempt, now = attempt_of(email, ip, factor), utc_now()
        async with self._database.session() as session:
            rows = await session.fetch(_HOLD, keys=list(attempt.keys), now=now)
            waits = {row["key"]: (row["blocked_until"] - now).total_seconds() for row in rows if row["blocked_until"]}
            waits[attempt.account] = max(waits.get(attempt.account, 0), account_waits)
            if waits[attempt.account] > 0 and await SessionRepository(session).was_begun_from(ip, email=email):
                del waits[attempt.account]
            if (longest := max(waits.values(), default=0)) > 0:
                raise TooManyAttempts(retry_after=int(longest) + 1)
            failures = {
                row["key"]: 1 + (row["failures"] if row["counted_at"] > now - FORGOTTEN_AFTER else 0) for row in rows
            }
            await self._count(session, attempt, failures, now)
        return attempt

    async def succeed(self, session: Session, attempt: Attempt) -> None:
        """The guess was right: it counts for nothing, and earlier ones of its pair and factor are cleared."""
        await _take_back(session, attempt, cleared=[attempt.pair])

    async def withdraw(self, attempt: Attempt) -> None:
        """The guess was not checked after all."""
        async with self._database.session() as session:
            await _take_back(session, attempt, cleared=[])

    async def _count(self, session: Session, attempt: Attempt, failures: dict[bytes, int], now: datetime) -> None:
        delays = {key: rule.delay(failures[key], self._scale) for key, rule in attempt.keys.items()}
        await session.fetch(
            _COUNT,
            now=now,
            keys=list(failures),
            failures=list(failures.values()),
            until=[now + timedelta(seconds=delays[key]) if delays[key] else None for key in failures],
        )
        slowed = {rule.scope: delays[key] for key, rule in attempt.keys.items() if delays[key]}
        if slowed:
            await record(session, Entry("sign_in.slowed", after={"seconds": slowed}))


async def pardon(session: Session, email: str, ip: str) -> None:
    """Clear the wrong passwords of an account whose owner has reset the password by mail."""
    attempt = attempt_of(email, ip, PASSWORD)
    keys = [attempt.pair, attempt.account]
    await session.fetch(_TAKE_BACK, keys=keys, cleared=keys)


async def forget(session: Session) -> None:
    """Remove counts that no longer count."""
    await session.fetch(_FORGET, before=utc_now() - 2 * FORGOTTEN_AFTER)


def attempt_of(email: str, ip: str, factor: str) -> Attempt:
    network = network_of(ip)
    return Attempt(_key(PAIR, factor, email, network), _key(ACCOUNT, email), _key(NETWORK, network))


def network_of(ip: str) -> str:
    """The address, of IPv6 its first 64 bits: what one household or machine can choose from freely."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else ip


def _key(rule: Rule, *parts: str) -> bytes:
    return sha256("\0".join((rule.scope, *parts)).encode("utf-8", "surrogatepass")).digest()


async def _take_back(session: Session, attempt: Attempt, *, cleared: list[bytes]) -> None:
    await session.fetch(_TAKE_BACK, keys=list(attempt.keys), cleared=cleared)
