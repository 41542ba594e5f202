"""Binds the audit log to every process, and erases from it who has gone."""

from sqlalchemy import text

from undercroft.core import audit
from undercroft.core.db import Session, Statement
from undercroft.core.events import subscribe
from undercroft.modules.audit.sink import AuditTable
from undercroft.modules.users import UserDeleted

ERASE = Statement(text("SELECT audit_erase(CAST(:person AS uuid))"))

audit.bind(AuditTable())


@subscribe(UserDeleted)
async def erase_person(session: Session, event: UserDeleted) -> None:
    """Names and addresses go with the account; what was done to what remains, by ids."""
    await session.fetch(ERASE, person=event.user_id)
