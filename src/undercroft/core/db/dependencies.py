"""FastAPI dependencies for database sessions."""

from contextlib import AsyncExitStack
from typing import Annotated, cast

from fastapi import Depends
from fastapi.requests import HTTPConnection

from undercroft.core.context import current_context
from undercroft.core.db.database import Database
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.session import Session


async def get_database() -> Database:
    return current_context().get(Database)


DatabaseDep = Annotated[Database, Depends(get_database)]


async def open_session(request: HTTPConnection) -> Session:
    return await _function_exit_stack(request).enter_async_context(current_context().get(Database).session())


async def open_read_session(request: HTTPConnection) -> ReadSession:
    return await _function_exit_stack(request).enter_async_context(current_context().get(Database).read_session())


def _function_exit_stack(request: HTTPConnection) -> AsyncExitStack:
    """The exit stack of FastAPI's function-scoped dependencies, which closes after the handler and before the response.

    Entering a session here costs less than half of a dependency that yields.
    """
    return cast(AsyncExitStack, request.scope["fastapi_function_astack"])


SessionDep = Annotated[Session, Depends(open_session)]
"""One transaction, committed after the handler and before the first byte of the response."""

ReadSessionDep = Annotated[ReadSession, Depends(open_read_session)]
"""Reads without a transaction, for GET routes."""
