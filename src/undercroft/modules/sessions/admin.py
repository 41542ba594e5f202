"""The admin view of sessions."""

from typing import Any

from sqladmin.filters import StaticValuesFilter

from undercroft.core.admin import AdminView, enum_choices
from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import Session
from undercroft.modules.sessions.models import AuthSession, SessionKind
from undercroft.modules.sessions.repository.sessions import SessionRepository
from undercroft.modules.users import UserService


class SessionView(AdminView, model=AuthSession):
    name = "Session"
    icon = "fa-solid fa-desktop"
    category = "Accounts"
    noun = "session"
    can_delete = True
    delete_warning = "The user is signed out on this device."
    choices = {"kind": SessionKind}
    references = {"user_id": "user", "impersonator_id": "user"}
    column_list = ["user_id", "kind", "ip", "user_agent", "last_seen_at", "expires_at", "revoked_at", "impersonator_id"]
    column_searchable_list = ["user_id", "ip", "user_agent"]
    column_sortable_list = ["last_seen_at", "expires_at", "created_at"]
    column_default_sort = ("created_at", True)
    column_filters = [StaticValuesFilter("kind", values=enum_choices(SessionKind))]

    async def delete_row(self, session: Session, row: Any, *, by: Principal) -> None:
        """Revoke the session. The cleanup task deletes the row later. Raises `RoleTooWeak`."""
        await UserService(session).require_rank(row.user_id, by=by)
        if await SessionRepository(session).revoke(row.id, forget_ip=True):
            await record(session, Entry("session.revoked", by.user_id, "session", row.id, person_id=row.user_id))
