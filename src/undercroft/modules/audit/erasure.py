"""Erasing what the audit log keeps apart about a deleted account or a purged team."""

from uuid import UUID

from sqlalchemy import text

from undercroft.core.db import Session, Statement

_ERASE = Statement(text("SELECT audit_erase(CAST(:person AS uuid)) AS erased"))


async def erase_values(session: Session, person_id: UUID) -> int:
    """Erase the values about a deleted user, under every address of theirs, or about a purged team; how many rows.

    Raises asyncpg's `InsufficientPrivilegeError` for everybody else.
    """
    row = await session.fetchrow(_ERASE, person=person_id)
    assert row is not None
    erased: int = row["erased"]
    return erased
