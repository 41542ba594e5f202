"""Queries for API keys, except the one that authenticates a request (`modules/auth/principals.py`)."""

from uuid import UUID

from sqlalchemy import ColumnElement, delete, false, or_, select
from sqlmodel import col

from undercroft.core.db.repository import Repository
from undercroft.modules.api_keys.errors import ApiKeyNotFound
from undercroft.modules.api_keys.models import ApiKey, KeyKind
from undercroft.modules.teams import Team
from undercroft.modules.users import User


class VisibleKeys:
    """Filter for the keys that a user may see: the user's own keys, and those of a team if one is given."""

    def __init__(self, user_id: UUID, team_id: UUID | None) -> None:
        self._own: ColumnElement[bool] = col(ApiKey.user_id) == user_id
        self._teams: ColumnElement[bool] = col(ApiKey.team_id) == team_id if team_id is not None else false()

    def where(self, kind: KeyKind | None) -> ColumnElement[bool]:
        """Return the condition for keys of one kind, or of both if None."""
        match kind:
            case KeyKind.USER:
                return self._own
            case KeyKind.TEAM:
                return self._teams
            case None:
                return or_(self._own, self._teams)


class ApiKeyRepository(Repository[ApiKey]):
    model = ApiKey
    not_found = ApiKeyNotFound
    searchable = ("name", "prefix")
    sortable = ("created_at", "name", "last_used_at", "expires_at")

    async def get_visible(self, key_id: UUID, visible: VisibleKeys) -> ApiKey:
        """Return a key. Raises `ApiKeyNotFound` if it does not exist or is not visible."""
        key = await self._first(self._query().where(col(ApiKey.id) == key_id, visible.where(None)))
        if key is None:
            raise ApiKeyNotFound
        return key

    async def lock_visible(self, key_id: UUID, visible: VisibleKeys) -> ApiKey:
        """Lock a visible key until the transaction ends. Raises `ApiKeyNotFound`."""
        query = self._query().where(col(ApiKey.id) == key_id, visible.where(None)).with_for_update()
        key = await self._first(query.execution_options(populate_existing=True))
        if key is None:
            raise ApiKeyNotFound
        return key

    async def lock_and_count_for_user(self, user_id: UUID) -> int:
        """Count the keys of a user, and block the creation of others until the transaction ends."""
        await self._session.execute(select(col(User.id)).where(col(User.id) == user_id).with_for_update(key_share=True))
        return await self.count(col(ApiKey.user_id) == user_id)

    async def lock_and_count_for_team(self, team_id: UUID) -> int:
        """Count the keys of a team, and block the creation of others until the transaction ends."""
        await self._session.execute(select(col(Team.id)).where(col(Team.id) == team_id).with_for_update(key_share=True))
        return await self.count(col(ApiKey.team_id) == team_id)

    async def delete_for_user(self, user_id: UUID) -> int:
        """Delete all keys that act for a user; return their number."""
        return await self._write_session.rowcount(delete(ApiKey).where(col(ApiKey.user_id) == user_id))
