"""Attacks every route with another tenant's IDs. Deliberate vulnerabilities verify that the attack detects them."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import Header, Response, WebSocket
from pydantic import BaseModel
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.projects import ProjectNotFound
from undercroft.app.api import create_app
from undercroft.core.context import current_context
from undercroft.core.db import Database, ReadSessionDep, SessionDep, all_tenants
from undercroft.core.errors import Forbidden
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.modules.projects.models import Project
from undercroft.testing.attack import Attack
from undercroft.testing.lifespan import run_lifespan


async def test_all_routes_isolate_tenants(attack: Attack) -> None:
    await attack()


leaky = Router(surface="app", prefix="/leaky")


class Chosen(BaseModel):
    project_id: UUID


async def any_project(session: ReadSessionDep, project_id: UUID) -> Project:
    """Access all rows without row-level security, which no module may do."""
    with all_tenants():
        found = (await session.scalars(select(Project).where(col(Project.id) == project_id))).first()
    if found is None:
        raise ProjectNotFound
    return found


@leaky.get("/read/{project_id}")
async def read(project_id: UUID, session: ReadSessionDep) -> str:
    return (await any_project(session, project_id)).name


@leaky.get("/always/{project_id}")
async def always(project_id: UUID) -> None: ...


@leaky.get("/hint/{project_id}")
async def hint(project_id: UUID, session: ReadSessionDep, principal: CurrentPrincipal) -> None:
    if (await any_project(session, project_id)).team_id != principal.team_id:
        raise Forbidden


@leaky.get("/words/{project_id}")
async def words(project_id: UUID, session: ReadSessionDep, principal: CurrentPrincipal) -> None:
    if (await any_project(session, project_id)).team_id != principal.team_id:
        raise ProjectNotFound("This project is another team's.")


@leaky.delete("/change/{project_id}", status_code=204)
async def change(project_id: UUID, session: SessionDep, principal: CurrentPrincipal) -> None:
    project = await any_project(session, project_id)
    with all_tenants():
        project.description = "changed"
        await session.flush()
    if project.team_id != principal.team_id:
        raise Quiet


class Quiet(ProjectNotFound):
    commits = True


@leaky.get("/location/{project_id}", status_code=404)
async def location(project_id: UUID, session: ReadSessionDep, response: Response) -> None:
    with all_tenants():
        found = (await session.scalars(select(Project).where(col(Project.id) == project_id))).first()
    response.headers["Location"] = found.name if found else "nowhere"


@leaky.post("/body")
async def body(chosen: Chosen, session: ReadSessionDep) -> str:
    return (await any_project(session, chosen.project_id)).name


@leaky.get("/query")
async def query(session: ReadSessionDep, project_id: UUID | None = None) -> str:
    return (await any_project(session, project_id)).name if project_id else ""


@leaky.get("/list")
async def all_names(session: ReadSessionDep) -> list[str]:
    with all_tenants():
        return list((await session.scalars(select(col(Project.name)))).all())


async def header(session: ReadSessionDep, x_team_id: Annotated[UUID, Header()]) -> list[str]:
    with all_tenants():
        return list((await session.scalars(select(col(Project.name)).where(col(Project.team_id) == x_team_id))).all())


@leaky.get("/unknown/{gizmo_id}")
async def unknown(gizmo_id: UUID) -> None: ...


@leaky.get("/broken/{project_id}")
async def broken(project_id: UUID, session: ReadSessionDep, principal: CurrentPrincipal) -> None:
    if (await any_project(session, project_id)).team_id != principal.team_id:
        raise ZeroDivisionError


@leaky.websocket("/socket/{project_id}")
async def socket(websocket: WebSocket, project_id: UUID, session: ReadSessionDep) -> None:
    project = await any_project(session, project_id)
    await websocket.accept()
    await websocket.send_text(project.name)


@leaky.websocket("/socket-query")
async def socket_query(websocket: WebSocket, session: ReadSessionDep, project_id: UUID | None = None) -> None:
    await websocket.accept()
    await websocket.send_text((await any_project(session, project_id)).name if project_id else "")


async def show_all(_request: Request) -> PlainTextResponse:
    async with current_context().get(Database).read_session() as session:
        with all_tenants():
            return PlainTextResponse(str((await session.scalars(select(col(Project.name)))).all()))


leaky.mount("/mounted", Starlette(routes=[Route("/sample", show_all)]))

unguarded = Router(surface="public", prefix="/leaky")
unguarded.add_api_route("/header", header)

HOLES = {
    "/app/leaky/read/{project_id}": ["contains data of the victim", "200, but 404"],
    "/app/leaky/always/{project_id}": ["200, as if the object were the attacker's"],
    "/app/leaky/hint/{project_id}": ["403, but 404 for an object that does not exist"],
    "/app/leaky/words/{project_id}": ["differs from that for an object that does not exist"],
    "/app/leaky/change/{project_id}": ["rows in public.projects were changed"],
    "/app/leaky/location/{project_id}": ["contains data of the victim"],
    "/app/leaky/body": ["contains data of the victim", "200, but 404"],
    "/app/leaky/query": ["contains data of the victim", "200, but 404"],
    "/app/leaky/list": ["contains data of the victim"],
    "/public/leaky/header": ["contains data of the victim"],
    "/app/leaky/socket/{project_id}": ["contains data of the victim", "101, but 404"],
    "/app/leaky/socket-query": ["contains data of the victim", "101, but"],
    "/app/leaky/mounted/{path}": ["contains data of the victim"],
    "/app/leaky/unknown/{gizmo_id}": ['IDS = {"gizmo_id": new_row(Model)}'],
    "/app/leaky/broken/{project_id}": ["the response is 500"],
}


@pytest.fixture
async def leaking(database: Database, owner_url: str) -> AsyncIterator[Attack]:
    app = create_app(database=database)
    app.add([leaky, unguarded])
    async with run_lifespan(app):
        yield Attack(app, owner_url)


@pytest.mark.parametrize(("path", "found"), HOLES.items(), ids=HOLES.keys())
async def test_vulnerability_is_detected(leaking: Attack, path: str, found: list[str]) -> None:
    with pytest.raises(AssertionError, match="Tenant isolation is violated") as failed:
        await leaking(lambda operation: operation.path == f"/api/v1{path}")
    for words in found:
        assert words in str(failed.value)


async def test_exempt_requires_a_reason(leaking: Attack) -> None:
    path = "/api/v1/app/leaky/list"
    with pytest.raises(ValueError, match="Give a reason"):
        leaking.exempt("GET", path, reason="")
    leaking.exempt("GET", path, reason="it is a list of what everybody may see")
    await leaking(lambda operation: operation.path == path)
