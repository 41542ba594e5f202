"""Passwords: Argon2id (RFC 9106) off the event loop, and what may be chosen as one.

Keyboards and systems write the same characters in different forms, so passwords are brought into one form before they
are hashed (OpaqueString, RFC 8265, 4.2). Hashes of other forms, made before, still verify.
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
"""What may be sent: normalization makes up to four characters one."""
HASH_BYTES = 32
SALT_BYTES = 16


class WeakPassword(Unprocessable):
    code = "WEAK_PASSWORD"
    message = "This password is too easy to guess. Choose another."
    field = "password"


class PasswordMatch(IntEnum):
    """Whether a password is the one that was hashed; `UNNORMALIZED` asks for a new hash."""

    NONE = 0
    UNNORMALIZED = 1
    NORMALIZED = 2


def normalize(password: str) -> str:
    """The form that is hashed: spaces of other scripts as ASCII spaces, NFC (RFC 8265, 4.2.2). Case and width stay."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def require_strong(password: str, *, email: str = "") -> None:
    """Raises `WeakPassword` for one that is too short, too long, well known, or its owner's address.

    There are no rules of composition (NIST SP 800-63B, 3.1.1.2). Its length is that of its normalized form.
    """
    password = normalize(password)
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
    return await _thread_pool().run(lambda: _hasher().hash(_encode(normalize(password))), subject=subject)


async def verify(password: str, stored: str | None, *, subject: str) -> PasswordMatch:
    """Whether this is the password that was hashed. Without a hash it takes as long, and does not match.

    A password in another form than the normalized one is also compared as it is, with hashes of before.
    Raises `TooBusy` when too many wait. Hold no database connection while waiting for this.
    """
    against = stored or _dummy_hash()
    match = await _thread_pool().run(lambda: _match(against, password), subject=subject)
    return match if stored is not None else PasswordMatch.NONE


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than the settings ask for now."""
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
    """A hash that no password has, with the parameters of today; made without hashing."""
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
    """Passwords of eight characters and more from public breaches, in lower case.

    From the lists that Django (BSD) and zxcvbn (MIT) ship.
    """
    import gzip

    packed = files("undercroft.core.security").joinpath("common_passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))
