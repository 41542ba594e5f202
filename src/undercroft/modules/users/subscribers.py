"""Emails to users about changes of their account."""

from uuid import UUID

from undercroft.core.audit import Entry, on_action
from undercroft.core.db import Session
from undercroft.modules.users.service import notify


@on_action("user.role_changed")
async def notify_role_change(session: Session, entry: Entry) -> None:
    """Notify the user of a new platform role: an administrator can take over every account."""
    await notify(session, _target_user_id(entry), "users/role_changed", role=str(entry.after["role"]))


@on_action("user.email_changed")
async def notify_email_change(session: Session, entry: Entry) -> None:
    """Notify the new address. The previous address gets another email."""
    await notify(session, _target_user_id(entry), "users/email_added")


def _target_user_id(entry: Entry) -> UUID:
    assert entry.target_id is not None
    return entry.target_id
