"""How a route asks for the database: by the type in its signature."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request

from undercroft.core.db.session import Database, ReadSession, Session


async def database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


DatabaseDep = Annotated[Database, Depends(database)]


async def open_session(database: DatabaseDep) -> AsyncIterator[Session]:
    async with database.session() as session:
        yield session


async def open_read_session(database: DatabaseDep) -> AsyncIterator[ReadSession]:
    async with database.reading() as session:
        yield session


SessionDep = Annotated[Session, Depends(open_session, scope="function")]
"""One transaction, committed after the handler and before the first byte of the answer."""

ReadSessionDep = Annotated[ReadSession, Depends(open_read_session, scope="function")]
"""Reads without a transaction; for every GET."""
