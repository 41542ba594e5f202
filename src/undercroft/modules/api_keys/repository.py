"""Queries for API keys."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, false, func, or_, select, text
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.db import Repository, Statement
from undercroft.core.db.entity_fields import entity_fields
from undercroft.core.db.last_used import LastUsedTracker
from undercroft.modules.api_keys.errors import ApiKeyNotFound
from undercroft.modules.api_keys.models import ApiKey, KeyKind
from undercroft.modules.sessions import TeamStatements, UserConditions
from undercroft.modules.teams import CUSTOM_ROLE_PERMISSIONS, Membership, Team
from undercroft.modules.users import PROFILE_COLUMNS, User, add_extra_fields

_LOCK_SHARED = Statement(text("SELECT id FROM api_keys WHERE id = CAST(:id AS uuid) FOR SHARE"))


_REMOVE_SCOPES = Statement(
    text(
        "UPDATE api_keys SET scopes = ARRAY(SELECT name FROM unnest(scopes) WITH ORDINALITY AS s (name, nr) "
        "WHERE name <> ALL (CAST(:names AS text[])) ORDER BY nr) "
        "WHERE CAST(scopes AS text[]) && CAST(:names AS text[])"
    )
)


def visible_keys(user_id: UUID, team_id: UUID | None) -> Mapping[KeyKind | None, ColumnElement[bool]]:
    """Return the condition for the keys of each kind that a user may see, and for both kinds under None.

    These are the user's own keys, and those of a team if one is given.
    """
    own = col(ApiKey.user_id) == user_id
    teams = col(ApiKey.team_id) == team_id if team_id is not None else false()
    return {KeyKind.USER: own, KeyKind.TEAM: teams, None: or_(own, teams)}


class ApiKeyRepository(Repository[ApiKey]):
    model = ApiKey
    not_found = ApiKeyNotFound
    searchable = ("name", "prefix")
    sortable = ("created_at", "name", "last_used_at", "expires_at")

    async def get_visible(self, key_id: UUID, visible: ColumnElement[bool], *, lock: bool = False) -> ApiKey:
        """Return a key, locked until the transaction ends with `lock`.

        Raises `ApiKeyNotFound` if it does not exist or is not visible.
        """
        query = self._query().where(col(ApiKey.id) == key_id, visible)
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        key = await self._first(query)
        if key is None:
            raise ApiKeyNotFound
        return key

    async def lock_and_count(self, owner: type[User | Team], owner_id: UUID) -> int:
        """Count the keys of a user or a team, and block the creation of others until the transaction ends."""
        locked = select(col(owner.id)).where(col(owner.id) == owner_id).with_for_update(key_share=True)
        await self._session.execute(locked)
        return await (self.count_by(user_id=owner_id) if owner is User else self.count_by(team_id=owner_id))

    async def delete_for_user(self, user_id: UUID) -> int:
        """Delete all keys that act for a user; return their number."""
        return await self.delete_by(user_id=user_id)

    async def remove_scopes(self, names: Sequence[str]) -> None:
        """Remove scopes from all keys. A key that had only these has none left, and not all."""
        await self._write_session.fetch(_REMOVE_SCOPES, names=list(names))

    async def lock_shared(self, key_id: UUID) -> None:
        """Lock a key, so that it cannot be revoked before the transaction ends."""
        await self._write_session.fetch(_LOCK_SHARED, id=key_id)


class ApiKeyLastUsed(LastUsedTracker):
    update_statement = Statement(
        text(
            "UPDATE api_keys AS k SET last_used_at = used.at, last_used_ip = used.ip "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS used (id, at, ip) "
            "WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)"
        )
    )


def principal_statements(user_conditions: UserConditions = lambda _user_id: ()) -> TeamStatements:
    """Build the statement that finds the principal of a key. It ignores users who do not meet `user_conditions`."""
    fields = entity_fields(User)
    return TeamStatements.from_query(lambda team: add_extra_fields(_principal_query(team, user_conditions), fields))


def _principal_query(team: Any, user_conditions: UserConditions) -> Select[Any]:
    """Build the query that finds a key by its prefix, valid or not; the caller verifies the hash and expiry.

    For a user's key, the row has the user, if active, and the membership; for a team's key, `owning_team_id`.
    """
    owning = aliased(Team)
    active_user = and_(col(User.is_active), col(User.deleted_at).is_(None), *user_conditions(col(User.id)))
    return (
        select(
            *PROFILE_COLUMNS,
            col(User.second_factors),
            col(ApiKey.id).label("api_key_id"),
            col(ApiKey.secret_hash),
            col(ApiKey.previous_hash),
            (col(ApiKey.previous_until) > func.now()).label("previous_valid"),
            (col(ApiKey.expires_at) <= func.now()).label("expired"),
            col(ApiKey.scopes),
            col(owning.id).label("owning_team_id"),
            col(Team.require_mfa),
            col(Membership.team_id),
            col(Membership.role).label("team_role"),
            CUSTOM_ROLE_PERMISSIONS.label("team_grants"),
        )
        .select_from(ApiKey)
        .outerjoin(User, (col(User.id) == col(ApiKey.user_id)) & active_user)
        .outerjoin(Team, team & col(Team.deleted_at).is_(None))
        .outerjoin(Membership, (col(Membership.team_id) == col(Team.id)) & (col(Membership.user_id) == col(User.id)))
        .outerjoin(owning, (col(owning.id) == col(ApiKey.team_id)) & col(owning.deleted_at).is_(None))
        .where(col(ApiKey.prefix) == bindparam("prefix", type_=String))
    )
