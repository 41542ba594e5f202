"""What routes declare, on one router, on several routers and in included routers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import Mount

from tests.core.http.conftest import Build, has_limits
from undercroft.core.auth import Authenticator, PlatformRole, Principal
from undercroft.core.errors import CodeError, Conflict, NotFound
from undercroft.core.http import Audit, Exempt, RouteInfo, Router, When, declaration, declare, depends_on, get_info
from undercroft.core.http.guards import current_principal
from undercroft.core.ids import new_id


class BoxNotFound(NotFound):
    code = "BOX_NOT_FOUND"


class BoxLocked(Conflict):
    code = "BOX_LOCKED"


async def endpoint() -> None: ...


async def enforce_elsewhere() -> None: ...


def routes_of(router: APIRouter) -> dict[str, APIRoute]:
    return {route.path: route for route in router.routes if isinstance(route, APIRoute)}


def infos_of(router: APIRouter) -> dict[str, RouteInfo]:
    return {path: get_info(route) for path, route in routes_of(router).items()}


def add(method: str = "GET", *, surface: str = "app", path: str = "/x", **options: Any) -> RouteInfo:
    router = Router(surface=surface)
    router.add_api_route(path, endpoint, methods=[method], **options)
    [info] = infos_of(router).values()
    return info


def test_function_on_two_routers_has_the_declaration_of_each() -> None:
    own = Router(surface="app", prefix="/own", team_independent=True)
    strict = Router(surface="app", prefix="/strict", api_keys=False)
    admin = Router(surface="admin", prefix="/boxes")
    own.post("", audit="box.created", limit=None, idempotency="never_store", impersonation=True)(endpoint)
    strict.post("", permission="boxes:write", audit="box.changed", step_up=True)(endpoint)
    admin.post("", audit=Exempt("It only reads."))(endpoint)
    first, second, third = (get_info(router.routes[0]) for router in (own, strict, admin))
    assert (first.team_independent, first.permission, first.limit, first.impersonation) == (True, None, None, True)
    assert (first.idempotency, first.step_up, first.api_keys) == ("never_store", None, True)
    assert (second.team_independent, second.permission, second.limit) == (False, "boxes:write", "")
    assert (second.idempotency, second.step_up, second.api_keys, second.impersonation) == ("store", True, False, False)
    assert (third.role, third.permission, third.audit) == (PlatformRole.ADMIN, None, Exempt("It only reads."))


class AuthenticatedReader:
    """Authenticates every request as a user with the permission boxes:read."""

    async def authenticate(self, _request: Any) -> Principal:
        return Principal(new_id(), new_id(), PlatformRole.USER, new_id(), frozenset({"boxes:read"}))

    def known_device(self, _request: Any) -> str | None:
        return None

    verified_subject = known_device


async def test_function_on_two_routers_is_guarded_on_each(build: Build) -> None:
    own, writers, administrators = Router(surface="app"), Router(surface="app"), Router(surface="admin")
    writers.get("/writers", permission="boxes:write")(endpoint)
    administrators.get("/x")(endpoint)
    own.get("/own", self_only=True)(endpoint)
    client = build(own, writers, administrators)
    client.app.context.add(Authenticator, AuthenticatedReader())
    assert (await client.get("/api/v1/app/own")).status == 200
    assert (await client.get("/api/v1/app/writers")).status == 403
    assert (await client.get("/api/v1/admin/x")).status == 403


@pytest.mark.parametrize(
    ("surface", "method", "options", "impersonation"),
    [
        ("app", "GET", {}, True),
        ("app", "POST", {}, False),
        ("app", "POST", {"impersonation": True}, True),
        ("app", "GET", {"api_keys": False}, False),
        ("auth", "GET", {}, False),
        ("auth", "POST", {"impersonation": True}, True),
        ("admin", "GET", {}, False),
    ],
)
def test_impersonators_may_only_read_unless_the_route_allows_more(
    surface: str, method: str, options: Any, impersonation: bool
) -> None:
    assert add(method, surface=surface, **options).impersonation is impersonation


@pytest.mark.parametrize("surface", ["public", "root", "auth", "admin"])
@pytest.mark.parametrize(
    "option", [{"permission": "boxes:read"}, {"self_only": True}, {"team_independent": True}], ids=str
)
def test_option_that_the_surface_does_not_enforce_is_refused(surface: str, option: Any) -> None:
    with pytest.raises(CodeError, match=rf"{next(iter(option))} has no effect on the surface {surface}, only on app"):
        add(surface=surface, **option)


@pytest.mark.parametrize(
    ("surface", "options", "message"),
    [
        ("public", {"step_up": True}, "step_up has no effect on the surface public, only on admin, app, auth"),
        ("app", {"role": PlatformRole.ADMIN}, "role has no effect on the surface app, only on admin"),
        ("root", {"api_keys": False}, "api_keys has no effect on the surface root"),
        ("app", {"guard": enforce_elsewhere}, "or_self and guard require the option permission"),
        ("app", {"permission": "boxes:write", "or_self": "user_id"}, "/x has no parameter user_id"),
        ("app", {"permission": "boxes:write", "team_independent": True}, "a permission belongs to a team"),
        ("app", {"permissions": "boxes:write"}, "a route has no option permissions. Did you mean permission?"),
        ("app", {"zzz": 1}, "a route has no option zzz. Remove it."),
    ],
)
def test_invalid_options_are_refused_at_the_function(surface: str, options: Any, message: str) -> None:
    with pytest.raises(CodeError, match=message) as error:
        add(surface=surface, **options)
    assert error.value.at is endpoint


def test_step_up_on_the_auth_surface_adds_the_principal() -> None:
    router = Router(surface="auth")
    router.post("/with", step_up=True)(endpoint)
    router.post("/without", step_up=When("the code is wrong"))(endpoint)
    routes = routes_of(router)
    assert depends_on(routes["/api/v1/auth/with"], current_principal)
    assert not depends_on(routes["/api/v1/auth/without"], current_principal)


def test_guard_of_a_route_becomes_its_dependency() -> None:
    router = Router(surface="app")
    router.get("/x", permission="boxes:read", guard=enforce_elsewhere)(endpoint)
    assert depends_on(routes_of(router)["/api/v1/app/x"], enforce_elsewhere)


def test_errors_of_router_and_route_are_combined() -> None:
    router = Router(surface="app", errors=(BoxNotFound,))
    router.get("/x", errors=(BoxLocked,))(endpoint)
    assert get_info(routes_of(router)["/api/v1/app/x"]).errors == (BoxNotFound, BoxLocked)


def test_plain_router_inherits_the_options_of_the_router_that_includes_it() -> None:
    plain, inner = APIRouter(prefix="/plain", tags=["Plain"]), APIRouter()
    inner.delete("/{box_id}", status_code=204, dependencies=[Depends(enforce_elsewhere)])(endpoint)
    plain.get("")(endpoint)
    plain.include_router(inner, prefix="/inner")
    outer = Router(surface="app", prefix="/boxes", permission="boxes:write", api_keys=False, limit="5/minute")
    outer.include_router(plain, audit="box.deleted", tags=["Boxes"])
    routes = routes_of(outer)
    assert set(routes) == {"/api/v1/app/boxes/plain", "/api/v1/app/boxes/plain/inner/{box_id}"}
    deletion = routes["/api/v1/app/boxes/plain/inner/{box_id}"]
    info = get_info(deletion)
    assert (info.permission, info.api_keys, info.limit) == ("boxes:write", False, "5/minute")
    assert isinstance(info.audit, Audit)
    assert (info.audit.actions, info.changes_data) == (("box.deleted",), True)
    assert (deletion.status_code, deletion.tags, deletion.methods) == (204, ["Boxes", "Plain"], {"DELETE"})
    assert depends_on(deletion, current_principal)
    assert depends_on(deletion, enforce_elsewhere)


def test_included_router_keeps_its_own_options_and_inherits_only_restrictions() -> None:
    inner = Router(surface="app", prefix="/rooms", permission="rooms:read")
    inner.get("")(endpoint)
    inner.post("", permission="rooms:write", audit="room.created")(endpoint)
    open_inner = Router(surface="app", prefix="/open")
    open_inner.get("")(endpoint)
    outer = Router(surface="app", prefix="/hotels", self_only=True, api_keys=False, impersonation=True)
    outer.include_router(inner)
    outer.include_router(open_inner)
    reading, writing, undeclared = (get_info(route) for route in outer.routes)
    assert [route.path for route in outer.routes if isinstance(route, APIRoute)] == [
        "/api/v1/app/hotels/rooms",
        "/api/v1/app/hotels/rooms",
        "/api/v1/app/hotels/open",
    ]
    assert (reading.permission, writing.permission, undeclared.permission) == ("rooms:read", "rooms:write", None)
    assert [info.self_only for info in (reading, writing, undeclared)] == [False] * 3
    assert [info.api_keys for info in (reading, writing, undeclared)] == [False] * 3
    assert [info.impersonation for info in (reading, writing, undeclared)] == [False] * 3
    dependencies = [depends_on(route, current_principal) for route in routes_of(outer).values()]
    assert dependencies == [True, True]
    assert [route.dependencies for route in routes_of(outer).values()] == [[Depends(current_principal)]] * 2


def test_plain_router_declares_options_in_its_dependencies() -> None:
    plain, inner = APIRouter(dependencies=[declaration(permission="boxes:read", errors=(BoxNotFound,))]), APIRouter()
    inner.delete(
        "/x", dependencies=[declaration(audit="box.deleted", errors=(BoxLocked,)), Depends(enforce_elsewhere)]
    )(endpoint)
    plain.get("/y", dependencies=[declaration(permission="boxes:list")])(endpoint)
    plain.include_router(inner, dependencies=[declaration(permission="boxes:write")])
    router = Router(surface="app", dependencies=[declaration(api_keys=False)])
    router.include_router(plain)
    reading, deletion = (get_info(route) for route in router.routes)
    assert (reading.permission, deletion.permission) == ("boxes:list", "boxes:write")
    assert (reading.api_keys, deletion.api_keys) == (False, False)
    assert isinstance(deletion.audit, Audit)
    assert deletion.errors == (BoxNotFound, BoxLocked)
    assert routes_of(router)["/api/v1/app/x"].dependencies == [Depends(current_principal), Depends(enforce_elsewhere)]


@has_limits
def test_options_of_fastapi_reach_included_routes() -> None:
    plain = APIRouter(tags=["Plain"], responses={404: {"description": "No box."}})
    plain.post("/x", form_limits={"max_files": 1}, max_body_size=7)(endpoint)
    router = Router(surface="public", form_limits={"max_fields": 2})
    router.include_router(
        plain, prefix="/p", tags=["Boxes"], deprecated=True, responses={409: {"description": "Locked."}},
        default_response_class=PlainTextResponse, include_in_schema=False, generate_unique_id_function=lambda _: "own",
    )  # fmt: skip
    route = routes_of(router)["/api/v1/public/p/x"]
    assert (route.tags, route.deprecated, route.include_in_schema) == (["Boxes", "Plain"], True, False)
    assert (set(route.responses), route.response_class) == ({404, 409}, PlainTextResponse)
    assert (route.unique_id, route.max_body_size) == ("own", 7)
    assert route.form_limits == {"max_files": 1, "max_fields": 2}


@has_limits
def test_form_limits_of_routers_and_routes_are_combined() -> None:
    plain = APIRouter(form_limits={"max_files": 1, "max_fields": 1})
    plain.post("/x", form_limits={"max_fields": 3})(endpoint)
    router = Router(surface="public", form_limits={"max_part_size": 9})
    router.include_router(plain)
    router.post("/y")(endpoint)
    assert routes_of(router)["/api/v1/public/x"].form_limits == {"max_files": 1, "max_fields": 3, "max_part_size": 9}
    assert routes_of(router)["/api/v1/public/y"].form_limits == {"max_part_size": 9}


async def test_class_of_a_route_is_used(build: Build) -> None:
    class Shouting(APIRoute):
        def get_route_handler(self) -> Any:
            handle = super().get_route_handler()

            async def shout(request: Request) -> Response:
                response = await handle(request)
                return Response(response.body.upper(), media_type="text/plain")

            return shout

    async def read() -> str:
        return "quiet"

    plain, own = APIRouter(route_class=Shouting), Router(surface="public", route_class=Shouting)
    plain.get("/plain")(read)
    own.get("/own")(read)
    own.include_router(plain)
    client = build(own)
    assert (await client.get("/api/v1/public/own")).body == b'"QUIET"'
    assert (await client.get("/api/v1/public/plain")).body == b'"QUIET"'
    assert (await client("PUT", "/api/v1/public/plain")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_lifespans_of_included_routers_run() -> None:
    events = []

    def note(name: str) -> Any:
        @asynccontextmanager
        async def lifespan(_app: Any) -> AsyncIterator[dict[str, str]]:
            events.append(f"{name} starts")
            yield {name: "state"}
            events.append(f"{name} stops")

        return lifespan

    outer, plain = Router(surface="app", lifespan=note("outer")), APIRouter(lifespan=note("plain"))
    plain.include_router(APIRouter(lifespan=note("inner")))
    outer.include_router(plain)
    async with outer.lifespan_context(None) as state:
        assert state == {"outer": "state", "plain": "state", "inner": "state"}
    assert events == ["outer starts", "plain starts", "inner starts", "inner stops", "plain stops", "outer stops"]


def test_unknown_option_of_include_router_is_refused() -> None:
    with pytest.raises(TypeError, match="zzz"):
        Router(surface="app").include_router(APIRouter(), zzz=True)  # type: ignore[call-arg]


def test_routes_of_other_methods_have_a_declaration() -> None:
    router = Router(surface="app", permission="boxes:read")
    router.head("/x")(endpoint)
    router.options("/y")(endpoint)
    router.api_route("/z", methods=["GET", "POST"], audit="box.changed")(endpoint)
    infos = infos_of(router).values()
    assert [info.permission for info in infos] == ["boxes:read"] * 3
    assert [info.changes_data for info in infos] == [False, False, True]


def test_router_of_another_surface_is_not_included() -> None:
    public = Router(surface="public", prefix="/rooms")
    public.get("")(endpoint)
    with pytest.raises(CodeError, match="belongs to the surface public and cannot be included in one of app"):
        Router(surface="app").include_router(public)


@pytest.mark.parametrize("add_route", [lambda router: router.host("a.example.com", FastAPI()),
                                       lambda router: router.frontend("/", directory=".")])  # fmt: skip
def test_route_without_a_path_of_its_own_is_refused(add_route: Any) -> None:
    with pytest.raises(CodeError, match=r"has no access control\. Mount"):
        add_route(Router(surface="app"))
    plain = APIRouter()
    plain.host("a.example.com", FastAPI())
    with pytest.raises(CodeError, match="is a Host, which a Router cannot include"):
        Router(surface="app").include_router(plain)


def test_other_routes_are_declared_where_they_are_made() -> None:
    mount = declare(Mount("/files", FastAPI()), audit=Exempt("It only reads."), limit=None)
    assert (get_info(mount).audit, get_info(mount).limit) == (Exempt("It only reads."), None)


def test_audit_declaration_names_actions_or_states_why_there_are_none() -> None:
    with pytest.raises(ValueError, match="Name the action that a success records"):
        Audit(optional=("box.opened",))
    assert Audit("box.opened").actions == ("box.opened",)
    assert Audit(none_when="the box is open").actions == ()


@pytest.mark.parametrize(("make", "message"), [(When, "State when"), (Exempt, "State the reason")])
def test_empty_reason_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("")
