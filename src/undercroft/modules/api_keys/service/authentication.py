"""Authenticates requests with API keys, with a single statement like sessions.

A user's key has the permissions that both its scopes and the user's current role in the team allow. The scopes of a
team's key were limited to its creator's role when they were set. No key has a platform role. The reason why a key is
rejected is reported only to clients that have its secret. In a team that requires a second factor, a user's key works
only if the user has one.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import HTTPConnection

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.db import Database, Session
from undercroft.core.errors import Unauthorized
from undercroft.core.lru_cache import LruCache
from undercroft.core.security.tokens import constant_time_compare, hash_token
from undercroft.modules.api_keys.errors import ApiKeyExpired, InvalidApiKey
from undercroft.modules.api_keys.repository import ApiKeyLastUsed, ApiKeyRepository, principal_statements
from undercroft.modules.api_keys.service.key_format import parse_key
from undercroft.modules.sessions import UserConditions, client_ip, requested_team_id
from undercroft.modules.teams import TeamNotFound, is_mfa_blocked

DUMMY_HASH = bytes(32)
MAX_CACHED_KEYS = 10_000


class ApiKeyAuthenticator:
    """Implements `sessions.ApiKeys`."""

    def __init__(self, database: Database) -> None:
        self.last_used = ApiKeyLastUsed()
        self._database = database
        self._statements = principal_statements()
        self._verified_prefixes: LruCache[bytes, str] = LruCache(MAX_CACHED_KEYS)

    async def authenticate(self, request: HTTPConnection, text: str) -> Principal:
        """Return the principal of a key. Raises `InvalidApiKey`, `ApiKeyExpired`, `TeamNotFound`."""
        presented = parse_key(text)
        if presented is None:
            raise InvalidApiKey
        team_id = requested_team_id(request)
        row = await self._statements.fetchrow(self._database, team_id, prefix=presented.prefix)
        try:
            principal = build_principal(row, presented.hash, team_id)
        except Unauthorized:
            self._verified_prefixes.pop(presented.hash, None)
            raise
        assert row is not None
        self._verified_prefixes[presented.hash] = presented.prefix
        self.last_used.record_use(row["api_key_id"], client_ip(request))
        return principal

    def verified_subject(self, text: str) -> str | None:
        """Return the prefix of a key that was valid when this process last saw it; None for any other text.

        It is used only for rate limits, never for authentication: a revoked key may count under its prefix once more.
        """
        return self._verified_prefixes.find(hash_token(text))

    async def lock(self, session: Session, api_key_id: UUID) -> None:
        await ApiKeyRepository(session).lock_shared(api_key_id)

    def limit_users(self, conditions: UserConditions) -> None:
        self._statements = principal_statements(conditions)


def build_principal(row: Mapping[str, Any] | None, presented: bytes, named_team: UUID | None) -> Principal:
    """Build the principal from a row of `principal_statements`.

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
        mfa_blocked=row["user_id"] is not None and is_mfa_blocked(row, passed_mfa=bool(second_factors)),
        api_key_id=row["api_key_id"],
        scopes=scopes,
    )
