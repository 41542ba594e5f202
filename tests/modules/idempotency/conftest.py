"""An application with additional routes whose responses are difficult to replay."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest_asyncio
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from httpx2 import AsyncClient

from undercroft.app.api import create_app
from undercroft.core.db import Database, SessionDep
from undercroft.core.errors import AppError, Conflict
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.application import Api
from undercroft.core.http.body import json_response
from undercroft.modules.projects.models import ProjectBase
from undercroft.modules.projects.resources import ProjectResource
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.users import make_client

router = Router(surface="app", prefix="/shop", tag="Shop")


class Refused(Conflict):
    code = "REFUSED"


class Counted(AppError):
    status = 400
    code = "COUNTED"
    commits = True


@router.post("/orders/{how}")
async def order(
    how: str, request: Request, body: ProjectBase, principal: CurrentPrincipal, session: SessionDep
) -> Response:
    """Creates a project and then fails or responds according to `how`."""
    project = await ProjectResource(session, principal).create(body)
    match how:
        case "break":
            raise RuntimeError("between the change and the response")
        case "refuse":
            raise Refused
        case "count":
            raise Counted
        case "once" if not hasattr(request.app.state, "failed_once"):
            request.app.state.failed_once = True
            raise RuntimeError("the first time")
        case "stream":
            return StreamingResponse(iter([b"a", b"b"]), 200)
        case "cookie":
            response = Response("tea")
            response.set_cookie("crumb", "1")
            return response
        case "large":
            return Response(b"x" * 300_000)
    return json_response({"id": project["id"]}, status=201, headers={"X-Order": str(project["id"])})


@router.post("/keys", idempotency="never_store")
async def new_key(principal: CurrentPrincipal, session: SessionDep) -> dict[str, str]:
    project = await ProjectResource(session, principal).create(ProjectBase(name="key"))
    return {"key": f"very-secret-{project['id']}"}


@router.post("/apart")
async def order_apart(request: Request, body: ProjectBase, principal: CurrentPrincipal) -> dict[str, str]:
    """Creates a project in a separate transaction."""
    database: Database = request.app.context.get(Database)
    if body.name == "refused":
        raise Refused
    async with database.session() as session:
        project = await ProjectResource(session, principal).create(body)
    if body.name == "broken":
        raise RuntimeError("after the change")
    return {"id": str(project["id"])}


StartInstance = Callable[[], Awaitable[Api]]


@pytest_asyncio.fixture(loop_scope="session")
async def start_instance(database: Database) -> AsyncIterator[StartInstance]:
    """Start more instances of the application on the same database."""
    async with AsyncExitStack() as stack:

        async def start() -> Api:
            app = create_app(database=database)
            app.add([router])
            await stack.enter_async_context(run_lifespan(app))
            return app

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def shop(start_instance: StartInstance, user: AsyncClient) -> AsyncIterator[AsyncClient]:
    """A signed-in client of an instance with the routes of this file."""
    async with make_client(
        await start_instance(), raise_app_exceptions=False, Authorization=user.headers["authorization"]
    ) as client:
        yield client
