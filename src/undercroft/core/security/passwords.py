"""Password hashing with Argon2id (RFC 9106) off the event loop, and the password policy.

Keyboards and systems encode the same characters differently, so passwords are normalized before they are hashed
(OpaqueString, RFC 8265, 4.2). Older hashes of passwords that were not normalized still verify.
"""

import os
import unicodedata
from enum import IntEnum
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
MAX_INPUT = 4 * MAX_LENGTH
"""Maximum length of the input: normalization may combine up to four characters into one."""
HASH_BYTES = 32
SALT_BYTES = 16


class WeakPassword(Unprocessable):
    code = "WEAK_PASSWORD"
    message = "This password is too easy to guess. Choose another one."
    field = "password"


class PasswordMatch(IntEnum):
    """Result of a verification; after `UNNORMALIZED` the password should be hashed again."""

    NONE = 0
    UNNORMALIZED = 1
    NORMALIZED = 2


def normalize(password: str) -> str:
    """The normalized password: non-ASCII spaces become ASCII spaces, then NFC (RFC 8265, 4.2.2). Case is preserved."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def require_strong(password: str, *, email: str = "") -> None:
    """Raises `WeakPassword` if the password is too short, too long, common, or the user's email address.

    There are no composition rules (NIST SP 800-63B, 3.1.1.2). The length is that of the normalized password.
    """
    password = normalize(password)
    shortest = load(PasswordSettings).password_min_length
    if len(password) < shortest:
        raise WeakPassword(f"Use at least {shortest} characters.")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"Use at most {MAX_LENGTH} characters.")
    lowered = password.lower()
    if lowered in _common_passwords() or len(set(lowered)) < 3:
        raise WeakPassword("This password is too common. Choose another one.")
    if email and lowered in (email.lower(), email.lower().partition("@")[0]):
        raise WeakPassword("Do not use your email address as password. Choose another one.")


async def hash(password: str, *, subject: str) -> str:  # noqa: A001 - read as `passwords.hash`
    """An Argon2id hash in the PHC string format.

    `subject` identifies the user whose password it is (`BoundedThreads`). Raises `TooBusy` if too many calls wait. Do
    not hold a database connection while waiting for this.
    """
    return await _thread_pool().run(lambda: _hasher().hash(_encode(normalize(password))), subject=subject)


async def verify(password: str, stored: str | None, *, subject: str) -> PasswordMatch:
    """Verify a password against a hash. Without a hash it takes the same time and does not match.

    A password that is not normalized is also compared as it is, for older hashes. Raises `TooBusy` if too many calls
    wait. Do not hold a database connection while waiting for this.
    """
    against = stored or _dummy_hash()
    match = await _thread_pool().run(lambda: _match(against, password), subject=subject)
    return match if stored is not None else PasswordMatch.NONE


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than the current settings."""
    return _hasher().check_needs_rehash(stored)


def _encode(password: str) -> bytes:
    return password[: MAX_LENGTH + 1].encode("utf-8", "surrogatepass")


def _match(stored: str, password: str) -> PasswordMatch:
    normalized = normalize(password)
    if _verify(stored, _encode(normalized)):
        return PasswordMatch.NORMALIZED
    return (
        PasswordMatch.UNNORMALIZED
        if normalized != password and _verify(stored, _encode(password))
        else PasswordMatch.NONE
    )


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


def _dummy_hash() -> str:
    """A hash that no password matches, with the current parameters; made without hashing."""
    from base64 import b64encode

    hasher = _hasher()
    salt, digest = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


@cache
def _thread_pool() -> BoundedThreads:
    return BoundedThreads(parallel=load(PasswordSettings).password_threads or max(1, _cpu_count() - 1))


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


@cache
def _common_passwords() -> frozenset[str]:
    """Passwords of at least eight characters from public breaches, in lowercase.

    From the lists in Django (BSD) and zxcvbn (MIT).
    """
    import gzip

    packed = files("undercroft.core.security").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
