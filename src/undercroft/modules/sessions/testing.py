"""Factories for tests of tenant isolation."""

from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from undercroft.core.db import Database
from undercroft.modules.sessions.models import AuthSession
from undercroft.testing.attack import Owner


async def get_session_id(owner: Owner) -> UUID:
    async with owner.app.context.get(Database).read_session() as session:
        found = await session.scalar(
            select(col(AuthSession.id)).where(col(AuthSession.user_id) == owner.person.user_id)
        )
    assert isinstance(found, UUID)
    return found


IDS = {"session_id": get_session_id}
