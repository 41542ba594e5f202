"""The statements on the versions of live values."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from asyncpg import UndefinedTableError
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError
from sqlmodel import col

from undercroft.core.db import Database, Session, Statement
from undercroft.core.db.errors import driver_error
from undercroft.core.live.models import LiveVersion

_READ = Statement(lambda: select(col(LiveVersion.name), col(LiveVersion.version)))


async def read_versions(database: Database) -> Mapping[str, UUID]:
    """The versions by the names of the values, in one statement. Raises `DatabaseUnavailable`.

    There are none on an older schema, on which a development server runs while migrations wait for the developer.
    """
    try:
        async with database.read_session() as session:
            return {row["name"]: row["version"] for row in await session.fetch(_READ)}
    except (UndefinedTableError, ProgrammingError) as error:
        if isinstance(driver_error(error), UndefinedTableError):
            return {}
        raise


async def write_version(session: Session, name: str, changed_at: datetime) -> None:
    """Give the value a new version, which others see after the commit."""
    statement = insert(LiveVersion).values(name=name, version=uuid4(), changed_at=changed_at)
    changed = {"version": statement.excluded.version, "changed_at": statement.excluded.changed_at}
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


async def delete_versions(session: Session, prefix: str) -> None:
    """Delete the versions of the values whose names begin with this prefix."""
    await session.execute(delete(LiveVersion).where(col(LiveVersion.name).startswith(prefix, autoescape=True)))
