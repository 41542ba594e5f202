"""Checks of route declarations at startup."""

from datetime import date
from types import ModuleType
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from undercroft.app.registry import get_registry
from undercroft.app.route_checks import check_routes, find_routers
from undercroft.core.errors import CodeError
from undercroft.core.http import Deprecation, Exempt, Router, Surface, declaration, declare, depends_on
from undercroft.core.http.guards import current_principal

READS: Any = {"audit": Exempt("It only reads.")}
pytestmark = pytest.mark.usefixtures("test_settings")


async def endpoint() -> Response:
    return Response()


def make_module(**values: Any) -> ModuleType:
    module = ModuleType("hotel.routes")
    vars(module).update(values)
    return module


@pytest.mark.parametrize("surface", ["app", "admin", "auth"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: Route(path, endpoint),
        lambda path: APIRoute(path, endpoint),
        lambda path: declare(Route(path, endpoint), limit=None),
        lambda path: declare(Mount(path, FastAPI()), audit=Exempt("It only reads.")),
        lambda path: Mount(path, StaticFiles(check_dir=False)),
    ],
    ids=["route", "api route", "declared route", "mount", "files"],
)
def test_route_on_a_guarded_surface_that_no_router_made_is_refused(surface: str, make: Any) -> None:
    get_registry().load()
    with pytest.raises(CodeError, match=rf"/api/v1/{surface}/x has no access control. Add it by a method of Router"):
        check_routes([make(f"/api/v1/{surface}/x")], complete=False)


@pytest.mark.parametrize(
    "route",
    [
        Mount("/api/v1", FastAPI()),
        Mount("/api/v1/app", FastAPI()),
        Route("/api/{version}/app/secrets", endpoint),
        Route("/api/v2/app/secrets", endpoint),
        Route("/api/v2{rest:path}", endpoint),
        Route("/api/v3/{surface}/secrets", endpoint),
        APIRoute("/api/v1/{surface}/secrets", endpoint),
        WebSocketRoute("/api/v1/app/live", endpoint),
        APIWebSocketRoute("/api/v1/app/live", endpoint),
        Host("api.example.com", FastAPI()),
    ],
    ids=lambda route: f"{type(route).__name__} {getattr(route, 'path', '')}",
)
def test_route_that_could_serve_a_path_of_a_guarded_surface_is_refused(route: BaseRoute) -> None:
    get_registry().load()
    with pytest.raises(CodeError, match=r"has no access control|without access control"):
        check_routes([declare(route, audit=Exempt("It only reads."))], complete=False)


@pytest.mark.parametrize(("options", "message"), [({}, "declare its audit entry"), (READS, "requires no permission")])
def test_websocket_declares_its_audit_entry_and_permission(options: Any, message: str) -> None:
    get_registry().load()
    router = Router(surface="app", **options)
    router.websocket("/live")(endpoint)
    router.mount("/sub", FastAPI())
    for route in router.routes:
        with pytest.raises(CodeError, match=message):
            check_routes([route], complete=False)
    declared = Router(surface="app", permission="teams:read", **READS)
    declared.websocket("/live")(endpoint)
    declared.mount("/sub", FastAPI())
    check_routes(declared.routes, complete=True)


def test_router_of_the_surface_root_cannot_serve_a_guarded_surface() -> None:
    router = Router(surface="root", prefix="/api/v1/app")
    router.get("/x")(endpoint)
    with pytest.raises(CodeError, match="has no access control"):
        check_routes(router.routes, complete=False)


@pytest.mark.parametrize(
    "route",
    [
        Route("/x", endpoint, methods=["GET", "POST"]),
        Route("/x", endpoint, methods=["DELETE"]),
        APIRoute("/x", endpoint, methods=["PUT"]),
        Mount("/x", FastAPI()),
    ],
    ids=lambda route: f"{type(route).__name__} {sorted(getattr(route, 'methods', ()))}",
)
def test_route_that_may_change_data_without_an_audit_declaration_is_refused(route: BaseRoute) -> None:
    get_registry().load()
    with pytest.raises(CodeError, match=r"/x does not declare its audit entry. Add audit="):
        check_routes([route], complete=False)
    check_routes([declare(route, audit=Exempt("It changes nothing."))], complete=True)


@pytest.mark.parametrize(
    "route", [Route("/x", endpoint), Mount("/x", StaticFiles(check_dir=False))], ids=["route", "mount"]
)
def test_route_that_only_reads_needs_no_audit_declaration(route: BaseRoute) -> None:
    get_registry().load()
    check_routes([route], complete=True)


@pytest.mark.parametrize(("limit", "hint"), [("sing_in", "Did you mean sign_in?"), ("5 a day", 'such as "5/minute"')])
def test_unknown_limit_is_refused(limit: str, hint: str) -> None:
    get_registry().load()
    router = Router(surface="public")
    router.get("/x", limit=limit)(endpoint)
    with pytest.raises(CodeError, match=rf"GET /api/v1/public/x has the unknown limit {limit}. .*{hint}"):
        check_routes(router.routes, complete=True)


def test_post_route_for_unknown_callers_declares_its_idempotency() -> None:
    get_registry().load()
    router = Router(surface="public")
    router.post("/x", audit=Exempt("It is a test."))(endpoint)
    with pytest.raises(CodeError, match=r"POST /api/v1/public/x ignores the header Idempotency-Key"):
        check_routes(router.routes, complete=True)


def test_included_routers_are_not_routers_of_their_file() -> None:
    plain, inner, outer = APIRouter(), Router(surface="app", prefix="/rooms"), Router(surface="app", prefix="/hotels")
    outer.include_router(plain, prefix="/plain")
    outer.include_router(inner)
    assert find_routers(make_module(plain=plain, inner=inner, outer=outer)) == (outer,)


@pytest.mark.skipif(
    not hasattr(APIRouter(), "_routes_version"), reason="FastAPI before 0.140 forgets which routers a router includes"
)
@pytest.mark.parametrize(
    ("file", "path"),
    [("routes", "/api/v1/app/x"), ("routes.app", "/api/v1/app/x"), ("routes.admin", "/api/v1/admin/x"),
     ("routes.public", "/api/v1/public/x"), ("pages", "/x")],
)  # fmt: skip
def test_plain_router_belongs_to_the_surface_of_its_file(file: str, path: str) -> None:
    async def read() -> None: ...

    read.__module__ = f"hotel.{file}"
    plain, inner = APIRouter(), APIRouter()
    inner.get("/x")(read)
    plain.include_router(inner)
    module = make_module(plain=plain, inner=inner)
    module.__name__ = f"hotel.{file.partition('.')[0]}"
    [router] = find_routers(module)
    [route] = router.routes
    assert isinstance(route, APIRoute)
    assert route.path == path
    assert depends_on(route, current_principal) is (router.surface in (Surface.APP, Surface.ADMIN))
    assert find_routers(module) == (router,)


def test_plain_router_on_the_app_surface_declares_its_permission() -> None:
    get_registry().load()
    plain = APIRouter()
    plain.get("/x")(endpoint)
    with pytest.raises(CodeError, match=r"/x requires no permission.*on a plain APIRouter, in dependencies="):
        check_routes(find_routers(make_module(plain=plain))[0].routes, complete=True)
    declared = APIRouter(dependencies=[declaration(permission="teams:read")])
    declared.get("/x")(endpoint)
    check_routes(find_routers(make_module(plain=declared))[0].routes, complete=True)


def test_route_that_replaces_an_older_one_states_its_deprecation() -> None:
    get_registry().load()
    old, new = Router(surface="public", prefix="/rooms"), Router(surface="public", prefix="/rooms", version=2)
    old.get("/{room_id}")(endpoint)
    new.get("/{key}")(endpoint)
    with pytest.raises(CodeError, match=r"GET /api/v2/public/rooms/{key} replaces GET /api/v1/public/rooms/{room_id}"):
        check_routes([*old.routes, *new.routes], complete=True)
    stated = Router(surface="public", prefix="/rooms", version=2, supersedes=Deprecation(since=date(2026, 12, 1)))
    stated.get("/{key}")(endpoint)
    check_routes([*old.routes, *stated.routes], complete=True)
