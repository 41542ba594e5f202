"""The form of an API key: `uc_`, 12 characters that find it, 32 that nobody guesses, 6 that tell a slip of the pen.

All are letters and digits, so that a double click takes the whole of it. The secret has 190 bits, so that a plain hash
keeps it. The checksum is a CRC-32 of what stands before it: a mistyped key is refused without asking the database.
"""

import re
import secrets
import string
from dataclasses import dataclass, field
from zlib import crc32

from undercroft.core.auth.principal import API_KEY_PREFIX
from undercroft.core.security.tokens import hash_token

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6

_KEY_PATTERN = re.compile(f"{API_KEY_PREFIX}[0-9A-Za-z]{{{PREFIX_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key as somebody sent it: what finds it and what it must hash to."""

    prefix: str
    hash: bytes = field(repr=False)


def generate_prefix() -> str:
    """What a key is found and shown by; it stays when the secret changes."""
    return _random_string(PREFIX_LENGTH)


def generate_key(prefix: str) -> str:
    """A whole key with a new secret."""
    body = API_KEY_PREFIX + prefix + _random_string(SECRET_LENGTH)
    return body + _checksum(body)


def parse_key(text: str) -> ParsedKey | None:
    """What a text says if it has the form of a key; None for anything else."""
    if not _KEY_PATTERN.fullmatch(text) or text[-CHECKSUM_LENGTH:] != _checksum(text[:-CHECKSUM_LENGTH]):
        return None
    begin = len(API_KEY_PREFIX)
    return ParsedKey(text[begin : begin + PREFIX_LENGTH], hash_token(text))


def _random_string(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, letters = crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters += ALPHABET[letter]
    return letters
