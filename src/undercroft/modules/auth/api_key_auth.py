"""Authenticates API keys, with a single statement like sessions.

A user's key has the permissions that both its scopes and the user's current role in the team allow. The scopes of a
team's key were limited to its creator's role when they were set. No key has a platform role. The reason why a key is
rejected is reported only to clients that have its secret. In a team that requires a second factor, a user's key works
only if the user has one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.auth.principal import API_KEY_PREFIX
from undercroft.core.security.tokens import constant_time_compare, hash_token
from undercroft.modules.auth.errors import ApiKeyExpired, InvalidApiKey
from undercroft.modules.teams import TeamNotFound

DUMMY_HASH = bytes(32)


def principal_from_api_key(row: Mapping[str, Any] | None, presented: bytes, named_team: UUID | None) -> Principal:
    """Build the principal from a row of `PrincipalStatements.key`.

    An unknown key takes the same steps as a known one with a wrong secret.
    Raises `InvalidApiKey`, `ApiKeyExpired`, `TeamNotFound`.
    """
    matches = constant_time_compare(row["secret_hash"] if row else DUMMY_HASH, presented)
    matches_previous = constant_time_compare((row["previous_hash"] if row else None) or DUMMY_HASH, presented)
    if row is None or not (matches or (matches_previous and row["previous_valid"])):
        raise InvalidApiKey
    if row["user_id"] is None and row["owning_team_id"] is None:
        raise InvalidApiKey
    if row["expired"]:
        raise ApiKeyExpired
    team_id: UUID | None = row["team_id"] if row["user_id"] else row["owning_team_id"]
    if team_id is None or named_team not in (None, team_id):
        raise TeamNotFound
    scopes = None if row["scopes"] is None else frozenset(row["scopes"])
    role, grants = row["team_role"], row["team_grants"]
    allowed = resolve_permissions(role, grants) if row["user_id"] else frozenset(row["scopes"])
    second_factors = tuple(row["second_factors"] or ())
    return Principal(
        user_id_or_none=row["user_id"],
        session_id_or_none=None,
        role=PlatformRole.USER,
        team_id=team_id,
        permissions=allowed if scopes is None else allowed & scopes,
        subject=row if row["user_id"] else None,
        team_role=role if row["user_id"] else "",
        second_factors=second_factors,
        passed_mfa=bool(second_factors),
        mfa_blocked=bool(row["user_id"] and row["require_mfa"] and not second_factors),
        api_key_id=row["api_key_id"],
        scopes=scopes,
    )


class VerifiedKeyCache:
    """An LRU cache of the keys that were valid when this process last saw them.

    It is used only for rate limits, never for authentication: a revoked key may count under its prefix once more.
    """

    def __init__(self, *, cache_size: int = 10_000) -> None:
        self._cache_size = cache_size
        self._prefixes: OrderedDict[bytes, str] = OrderedDict()

    def add(self, presented: bytes, prefix: str) -> None:
        self._prefixes[presented] = prefix
        self._prefixes.move_to_end(presented)
        if len(self._prefixes) > self._cache_size:
            self._prefixes.popitem(last=False)

    def discard(self, presented: bytes) -> None:
        self._prefixes.pop(presented, None)

    def get_prefix(self, text: str) -> str | None:
        """Return the prefix of a key that was valid before; None for any other text."""
        return self._prefixes.get(hash_token(text)) if text.startswith(API_KEY_PREFIX) else None
