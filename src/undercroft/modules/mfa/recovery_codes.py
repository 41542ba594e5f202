"""Recovery codes: for whoever has lost the authenticator. Ten of them, each good for one time."""

import secrets
import unicodedata
from uuid import UUID

from undercroft.core.security.tokens import hash_token

CODE_COUNT = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GROUP_COUNT, GROUP_SIZE = 4, 4


def generate_codes() -> list[str]:
    """Codes as people write them down: `k7fp-2mxq-…`, 79 random bits each, nothing that looks like something else."""
    return [
        "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIZE)) for _ in range(GROUP_COUNT))
        for _ in range(CODE_COUNT)
    ]


def hash_code(user_id: UUID, code: str) -> bytes:
    """What is stored of a user's code, however it is spaced and written."""
    written = unicodedata.normalize("NFKC", code).lower()
    return hash_token(f"{user_id} {''.join(filter(str.isalnum, written))}")
