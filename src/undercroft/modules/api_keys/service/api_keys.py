"""Manage the user's own API keys, and the current team's if the role allows it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import list_permissions
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import Paging, ReadSession, RowPage, utc_now
from undercroft.core.http import PermissionDenied
from undercroft.core.overrides import Service, call_super
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.modules.api_keys.errors import (
    ExpiryInPast,
    PersonalTeamKey,
    RotationOverlaps,
    ScopesExceedRole,
    TooManyApiKeys,
    UnknownScope,
)
from undercroft.modules.api_keys.models import ApiKey, KeyKind
from undercroft.modules.api_keys.repository import ApiKeyRepository, visible_keys
from undercroft.modules.api_keys.schemas import ApiKeyCreate
from undercroft.modules.api_keys.service.key_format import generate_key, generate_prefix
from undercroft.modules.api_keys.settings import ApiKeySettings
from undercroft.modules.teams import Team, TeamRepository
from undercroft.modules.users import User

READ, WRITE = "api_keys:read", "api_keys:write"


class ApiKeyService(Service):
    """The API keys visible to the user. Pass a `Session` to change keys, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._keys = ApiKeyRepository(session)
        team_id = principal.team_id if READ in principal.permissions else None
        self._visible = visible_keys(principal.user_id, team_id)

    @call_super
    async def list_visible(self, paging: Paging, *, kind: KeyKind | None) -> RowPage[ApiKey]:
        """List visible keys. Raises `PermissionDenied` for a request of team keys without permission."""
        if kind is KeyKind.TEAM:
            self._require(READ)
        return await self._keys.list(paging, self._visible[kind])

    @call_super
    async def read(self, key_id: UUID) -> ApiKey:
        """Return a key. Raises `ApiKeyNotFound`."""
        return await self._keys.get_visible(key_id, self._visible[None])

    @call_super
    async def create(self, data: ApiKeyCreate) -> tuple[ApiKey, str]:
        """Create a key; return it with its plain text, which is not stored.

        Raises `PermissionDenied`, `PersonalTeamKey`, `UnknownScope`, `ScopesExceedRole`, `ExpiryInPast`,
        `TooManyApiKeys`.
        """
        _require_future(data.expires_at)
        team_id = await self._owning_team(data.kind)
        prefix = generate_prefix()
        text = generate_key(prefix)
        key = ApiKey(
            name=data.name,
            prefix=prefix,
            secret_hash=hash_token(text),
            scopes=self._scopes(data.kind, data.scopes),
            expires_at=data.expires_at,
            created_by=self._principal.user_id,
            user_id=self._principal.user_id if team_id is None else None,
            team_id=team_id,
        )
        await self._keys.create(key)
        await self._record("api_key.created", key, after={"prefix": prefix, **_audit_values(key)})
        return key, text

    @call_super
    async def update(self, key_id: UUID, changes: Mapping[str, Any]) -> ApiKey:
        """Change the given fields. Raises `ApiKeyNotFound`, `PermissionDenied`, and the field errors of `create`.

        If the key gains scopes or a later expiry, also raises the errors of `require_recent_authentication`, as for
        a new key.
        """
        key = await self._lock(key_id)
        changes = dict(changes)
        if "expires_at" in changes and changes["expires_at"] != key.expires_at:
            _require_future(changes["expires_at"])
        if "scopes" in changes:
            changes["scopes"] = self._scopes(key.kind, changes["scopes"], current=key.scopes or ())
        if widened := _extends_access(key, changes):
            require_recent_authentication(self._principal)
        before = _audit_values(key)
        if any(getattr(key, name) != value for name, value in changes.items()):
            await self._keys.update(key, changes)
            after = {name: value for name, value in _audit_values(key).items() if value != before[name]}
            await self._record(
                "api_key.changed",
                key,
                before={name: before[name] for name in after},
                after=after,
                details={"widened": True} if widened else {},
            )
        return key

    @call_super
    async def rotate(self, key_id: UUID, *, overlap: timedelta | None) -> tuple[ApiKey, str]:
        """Replace the secret of a key; the previous one stays valid during the overlap.

        Raises `ApiKeyNotFound`, `PermissionDenied`, `RotationOverlaps`, `ScopesExceedRole`. The last one applies to a
        team's key: the user learns its new secret, so the user needs all its scopes. `RotationOverlaps` prevents that
        the second of two concurrent rotations revokes the key that programs still use.
        """
        key, overlap = await self._lock(key_id), load(ApiKeySettings).overlap if overlap is None else overlap
        if key.kind is KeyKind.TEAM:
            self._require_within_role(key.scopes or ())
        if overlap and key.overlaps:
            raise RotationOverlaps(details={"previous_until": str(key.previous_until)})
        text, until = generate_key(key.prefix), utc_now() + overlap if overlap else None
        changes = {
            "previous_hash": key.secret_hash if overlap else None,
            "previous_until": until,
            "secret_hash": hash_token(text),
        }
        await self._keys.update(key, changes)
        await self._record("api_key.rotated", key, after={"previous_until": until.isoformat() if until else None})
        return key, text

    @call_super
    async def revoke(self, key_id: UUID) -> None:
        """Revoke a key, effective with the next request. Raises `ApiKeyNotFound`, `PermissionDenied`."""
        key = await self._lock(key_id)
        await self._keys.delete(key)
        await self._record("api_key.revoked", key, before={"prefix": key.prefix, **_audit_values(key)})

    async def _lock(self, key_id: UUID) -> ApiKey:
        key = await self._keys.get_visible(key_id, self._visible[None], lock=True)
        if key.kind is KeyKind.TEAM:
            self._require(WRITE)
        return key

    async def _owning_team(self, kind: KeyKind) -> UUID | None:
        """Return the team that will own a new key, or None for the user's own. Raises `TooManyApiKeys`."""
        if kind is KeyKind.USER:
            _require_below_limit(await self._keys.lock_and_count(User, self._principal.user_id))
            return None
        self._require(WRITE)
        team = await TeamRepository(self._session).get(self._principal.team_id)
        if team.personal_user_id is not None:
            raise PersonalTeamKey
        _require_below_limit(await self._keys.lock_and_count(Team, team.id))
        return team.id

    def _scopes(self, kind: KeyKind, requested: list[str] | None, *, current: Iterable[str] = ()) -> list[str] | None:
        """Return the scopes to store. A user's key is checked against the role at each use, a team's key now."""
        if requested is None:
            return None if kind is KeyKind.USER else sorted(self._principal.permissions - {READ, WRITE})
        if unknown := set(requested) - {permission.name for permission in list_permissions()}:
            raise UnknownScope(details={"unknown": sorted(unknown)})
        if kind is KeyKind.TEAM:
            self._require_within_role(set(requested) - set(current))
        return sorted(set(requested))

    def _require(self, permission: str) -> None:
        if permission not in self._principal.permissions:
            raise PermissionDenied(details={"permission": permission})

    def _require_within_role(self, scopes: Iterable[str]) -> None:
        if exceeding := set(scopes) - self._principal.permissions:
            raise ScopesExceedRole(details={"permissions": sorted(exceeding)})

    async def _record(self, action: str, key: ApiKey, **fields: Any) -> None:
        entry = Entry(action, target_type="api_key", target_id=key.id, team_id=key.team_id, **fields)
        await record(self._session.writable, entry)


def _audit_values(key: ApiKey) -> dict[str, Any]:
    expires_at = key.expires_at.isoformat() if key.expires_at else None
    return {"name": key.name, "kind": key.kind.value, "scopes": key.scopes, "expires_at": expires_at}


def _extends_access(key: ApiKey, changes: Mapping[str, Any]) -> bool:
    scopes, expires_at = changes.get("scopes", key.scopes), changes.get("expires_at", key.expires_at)
    more = key.scopes is not None and (scopes is None or not set(scopes) <= set(key.scopes))
    longer = key.expires_at is not None and (expires_at is None or expires_at > key.expires_at)
    return more or longer


def _require_below_limit(count: int) -> None:
    limit = load(ApiKeySettings).api_keys_max
    if count >= limit:
        raise TooManyApiKeys(details={"limit": limit})


def _require_future(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= utc_now():
        raise ExpiryInPast
