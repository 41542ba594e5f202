"""Erase personal values of a deleted account or a purged team from the audit log."""

from uuid import UUID

from sqlalchemy import text

from undercroft.core.db import Session, Statement

_ERASE = Statement(text("SELECT audit_erase(CAST(:person AS uuid)) AS erased"))


async def erase_values(session: Session, person_id: UUID) -> int:
    """Erase the values about a deleted user with all former addresses, or about a purged team; return the row count.

    Raises asyncpg's `InsufficientPrivilegeError` if the account or the team still exists.
    """
    row = await session.fetchrow(_ERASE, person=person_id)
    assert row is not None
    erased: int = row["erased"]
    return erased
