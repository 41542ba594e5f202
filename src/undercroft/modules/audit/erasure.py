"""Erasing what the audit log keeps apart about somebody who has gone."""

from uuid import UUID

from sqlalchemy import text

from undercroft.core.db import Session, Statement

_ERASE = Statement(text("SELECT audit_erase(CAST(:person AS uuid)) AS erased"))


async def erase_values(session: Session, person_id: UUID) -> int:
    """Erase the personal values about somebody whose account is gone; of how many entries.

    Raises asyncpg's `InsufficientPrivilegeError` for somebody who has an account.
    """
    row = await session.fetchrow(_ERASE, person=person_id)
    assert row is not None
    erased: int = row["erased"]
    return erased
