"""API keys in `/admin`: view and revoke."""

from typing import Any

from undercroft.core.admin import AdminView
from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import Session
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.users import UserService


class ApiKeyView(AdminView, model=ApiKey):
    name = "API key"
    name_plural = "API keys"
    icon = "fa-solid fa-key"
    category = "Accounts"
    noun = "api_key"
    label = "name"
    can_delete = True
    delete_warning = "Requests with this key fail from now on."
    references = {"user_id": "user", "team_id": "team", "created_by": "user"}
    column_list = ["name", "prefix", "user_id", "team_id", "scopes", "expires_at", "last_used_at", "created_at"]
    column_searchable_list = ["name", "prefix", "user_id", "team_id"]
    column_sortable_list = ["name", "expires_at", "last_used_at", "created_at"]
    column_default_sort = ("created_at", True)

    async def delete_row(self, session: Session, row: Any, *, by: Principal) -> None:
        """Revoke a key by deleting it. Raises `RoleTooWeak`."""
        if row.user_id is not None:
            await UserService(session).require_rank(row.user_id, by=by)
        await session.delete(row)
        await session.flush()
        before = {"name": row.name, "prefix": row.prefix}
        await record(
            session, Entry("api_key.revoked", by.user_id, "api_key", row.id, team_id=row.team_id, before=before)
        )
