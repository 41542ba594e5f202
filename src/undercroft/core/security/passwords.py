"""Passwords: Argon2id (RFC 9106) off the event loop, and what may be chosen as one."""

import os
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from undercroft.core.errors import Unprocessable
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.security.threads import BoundedThreads
from undercroft.core.settings import load

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_LENGTH = 256
HASH_BYTES = 32
SALT_BYTES = 16


class WeakPassword(Unprocessable):
    code = "WEAK_PASSWORD"
    message = "This password is too easy to guess. Choose another."
    field = "password"


def require_good(password: str, *, email: str = "") -> None:
    """Raises `WeakPassword` for one that is too short, too long, well known, or its owner's address.

    There are no rules of composition (NIST SP 800-63B, 3.1.1.2).
    """
    shortest = load(PasswordSettings).password_min_length
    if len(password) < shortest:
        raise WeakPassword(f"A password has at least {shortest} characters.")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"A password has at most {MAX_LENGTH} characters.")
    lowered = password.lower()
    if lowered in _common_passwords() or len(set(lowered)) < 3:
        raise WeakPassword("This password is among the first that an attacker tries. Choose another.")
    if email and lowered in (email.lower(), email.lower().partition("@")[0]):
        raise WeakPassword("The address is not a good password. Choose another.")


async def hash(password: str, *, subject: str) -> str:  # noqa: A001 - read as `passwords.hash`
    """An Argon2id hash in the PHC string format.

    `subject` names whose password it is (`BoundedThreads`). Raises `TooBusy` when too many wait. Hold no database
    connection while waiting for this.
    """
    return await _threads().run(lambda: _hasher().hash(_encoded(password)), subject=subject)


async def verify(password: str, stored: str | None, *, subject: str) -> bool:
    """Whether this is the password that was hashed. Without a hash it takes as long, and the answer is no.

    Raises `TooBusy` when too many wait. Hold no database connection while waiting for this.
    """
    against = stored or _dummy()
    return await _threads().run(lambda: _verify(against, _encoded(password)), subject=subject) and stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than the settings ask for now."""
    return _hasher().check_needs_rehash(stored)


def _encoded(password: str) -> bytes:
    return password[: MAX_LENGTH + 1].encode("utf-8", "surrogatepass")


def _verify(stored: str, password: bytes) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> "PasswordHasher":
    settings = load(PasswordSettings)
    return _hasher_with(settings.password_time_cost, settings.password_memory_kib, settings.password_parallelism)


@cache
def _hasher_with(time_cost: int, memory_kib: int, parallelism: int) -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost, memory_kib, parallelism, HASH_BYTES, SALT_BYTES)


def _dummy() -> str:
    """A hash that no password has, with the parameters of today; made without hashing."""
    from base64 import b64encode

    hasher = _hasher()
    salt, digest = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


@cache
def _threads() -> BoundedThreads:
    return BoundedThreads(parallel=load(PasswordSettings).password_threads or max(1, _cores() - 1))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


@cache
def _common_passwords() -> frozenset[str]:
    """Passwords of eight characters and more from public breaches, in lower case.

    From the lists that Django (BSD) and zxcvbn (MIT) ship.
    """
    import gzip

    packed = files("undercroft.core.security").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
