"""Format of a key: `uc_`, a prefix of 12 characters for lookup, a secret of 32, a checksum of 6. All are letters and
digits, so that a double click selects the whole key. The secret has 190 bits of entropy, so an unsalted hash is
sufficient. The checksum is the CRC-32 of the preceding characters: it rejects a mistyped key without a database query.
"""

import re
import secrets
import string
from dataclasses import dataclass, field
from zlib import crc32

from undercroft.core.auth.principal import API_KEY_PREFIX
from undercroft.core.security.tokens import hash_token
from undercroft.modules.api_keys.models import PREFIX_LENGTH

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6

_KEY_PATTERN = re.compile(f"{API_KEY_PREFIX}[0-9A-Za-z]{{{PREFIX_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """An API key from a request: its prefix for the lookup, and its hash to compare."""

    prefix: str
    hash: bytes = field(repr=False)


def generate_prefix() -> str:
    """Generate the prefix that identifies a key. Rotation does not change it."""
    return _random_string(PREFIX_LENGTH)


def generate_key(prefix: str) -> str:
    body = API_KEY_PREFIX + prefix + _random_string(SECRET_LENGTH)
    return body + _checksum(body)


def parse_key(text: str) -> ParsedKey | None:
    """Parse a key; return None if the text does not have the format of a key."""
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
