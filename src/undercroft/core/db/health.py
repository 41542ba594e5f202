"""The database as a component of the installation's health."""

from sqlalchemy import literal, select

from undercroft.core.db.session import Database
from undercroft.core.db.statement import Statement
from undercroft.core.health import Component

ONE = Statement(select(literal(1).label("one")))


def database_component(database: Database) -> Component:
    """Up while a statement comes back; nothing works without it."""

    async def check() -> None:
        await database.read.fetch(ONE)

    return Component("database", check, required=True)
