"""Single-use recovery codes for users who have lost their authenticator."""

import secrets
import unicodedata
from uuid import UUID

from undercroft.core.security.tokens import hash_token

CODE_COUNT = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GROUP_COUNT, GROUP_SIZE = 4, 4


def generate_codes() -> list[str]:
    """Generate ten codes like `k7fp-2mxq-…` with 79 random bits each, without easily confused characters."""
    return [
        "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIZE)) for _ in range(GROUP_COUNT))
        for _ in range(CODE_COUNT)
    ]


def hash_code(user_id: UUID, code: str) -> bytes:
    """Return the hash under which a user's code is stored. Case, spaces and separators are ignored."""
    normalized = unicodedata.normalize("NFKC", code).lower()
    return hash_token(f"{user_id} {''.join(filter(str.isalnum, normalized))}")
