"""Rows for tests, written straight to the database."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from undercroft.core.db import Database, Session
from undercroft.core.events import publish
from undercroft.core.ids import new_id
from undercroft.modules.teams.models import Team
from undercroft.modules.users import User, UserRegistered


@dataclass(frozen=True)
class UserRow:
    user_id: UUID
    team_id: UUID


async def insert_user(database: Database) -> UserRow:
    """Create a user with a personal team."""
    async with database.session() as session:
        return await add_user(session)


async def add_user(session: Session) -> UserRow:
    import undercroft.modules.teams.subscribers  # noqa: F401

    user = User(email=f"{new_id().hex}@example.com", full_name="Test User")
    session.add(user)
    await session.flush()
    await publish(session, UserRegistered(user_id=user.id))
    team_id = await session.scalar(select(col(Team.id)).where(col(Team.personal_user_id) == user.id))
    return UserRow(user.id, team_id)
