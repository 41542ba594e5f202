from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, File, Query, Request, UploadFile
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build, has_limits
from undercroft.core.errors import NotFound
from undercroft.core.http import Router

router = Router(surface="public", prefix="/things")
done: list[str] = []


@router.get("")
async def list_things(page: Annotated[int, Query(ge=1)] = 1) -> dict[str, int]:
    return {"page": page}


@router.post("", status_code=201)
async def create_thing() -> dict[str, str]:
    return {"made": "yes"}


@router.get("/{thing_id}")
async def read_thing(thing_id: str, request: Request) -> dict[str, Any]:
    state = request.scope["state"]
    return {"id": thing_id, "template": state["route_template"], "path_params": request.path_params}


@router.get("/newest")
async def newest() -> str:
    return "newest"


@router.delete("/{thing_id}", status_code=204)
async def delete_thing(thing_id: str) -> None:
    done.append(thing_id)


@router.patch("/{name}")
async def rename_thing(name: str) -> dict[str, str]:
    return {"name": name}


@router.get("/{thing_id}/parts/{part:int}")
async def read_part(thing_id: str, part: int) -> dict[str, Any]:
    return {"thing": thing_id, "part": part}


@router.get("/{thing_id}/parts/first")
async def first_part(thing_id: str) -> str:
    return f"first of {thing_id}"


@router.get("/by-id/{key}")
async def by_id(key: UUID) -> str:
    return str(key)


@router.put("/by-id/{name}")
async def put_by_name(name: str) -> str:
    return name


@router.get("/files/{path:path}")
async def file(path: str) -> str:
    return path


@router.get("/bare/response")
async def bare() -> Response:
    return PlainTextResponse("bare", background=BackgroundTask(done.append, "after bare"))


@router.get("/bare/error")
async def bare_error() -> Response:
    raise NotFound


async def function_scoped() -> AsyncIterator[str]:
    yield "function"
    done.append("function ended")


async def request_scoped() -> AsyncIterator[str]:
    yield "request"
    done.append("request ended")


@router.get("/scopes/both")
async def scopes(
    inner: Annotated[str, Depends(function_scoped, scope="function")],
    outer: Annotated[str, Depends(request_scoped)],
    background: BackgroundTasks,
) -> Response:
    class Recorded(PlainTextResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            done.append("response sent")
            await super().__call__(scope, receive, send)

    background.add_task(done.append, "background")
    return Recorded(f"{inner} {outer}")


async def upload_one(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    return {"size": len(await file.read())}


@router.post("/upload")
async def upload(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    done.append(file)  # type: ignore[arg-type]
    return {"size": len(await file.read())}


async def read_number(number: int) -> dict[str, int]:
    return {"number": number}


async def write_number(number: int, body: dict[str, str]) -> dict[str, Any]:
    return {"number": number, **body}


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    done.clear()
    return build(router)


PATH = "/api/v1/public/things"


class TestRouting:
    async def test_path_without_parameters_is_found(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(PATH, query=b"page=3")).json == {"page": 3}

    async def test_handler_receives_parameters_and_template(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get(f"{PATH}/7")

        assert response.json == {"id": "7", "template": f"{PATH}/{{thing_id}}", "path_params": {"thing_id": "7"}}

    async def test_literal_path_takes_precedence_over_parameters(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(f"{PATH}/newest")).json == "newest"

    async def test_literal_path_is_never_a_parameter_value(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client("DELETE", f"{PATH}/newest")

        assert response.status == 405
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
        assert done == []

    async def test_methods_of_one_path_may_have_different_parameter_names(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(f"{PATH}/7")).json["path_params"] == {"thing_id": "7"}
        assert (await asgi_client("PATCH", f"{PATH}/7")).json == {"name": "7"}

    async def test_parameters_inside_a_path_are_found(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(f"{PATH}/7/parts/9")).json == {"thing": "7", "part": 9}
        assert (await asgi_client.get(f"{PATH}/7/parts/first")).json == "first of 7"

    async def test_method_of_a_path_with_another_parameter_name_is_found(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client("PUT", f"{PATH}/by-id/anything")).json == "anything"

    async def test_path_convertor_accepts_slashes(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(f"{PATH}/files/a/b/c.txt")).json == "a/b/c.txt"

    async def test_route_added_later_is_found(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get("/late")).status == 404
        asgi_client.app.router.routes.append(Route("/late", lambda _request: PlainTextResponse("here")))
        assert (await asgi_client.get("/late")).body == b"here"

    async def test_router_included_in_the_application_is_in_the_table(self, asgi_client: AsgiClient) -> None:
        outer, inner = APIRouter(prefix="/outer"), APIRouter()
        inner.get("/{number}")(read_number)
        inner.post("/{number}")(write_number)
        outer.include_router(inner, prefix="/inner")
        asgi_client.app.include_router(outer, prefix="/plain")
        path = "/plain/outer/inner/7"
        assert (await asgi_client.get(path)).json == {"number": 7}
        assert (await asgi_client("HEAD", path)).body == b""
        assert (await asgi_client("PUT", path)).headers["allow"] == "GET, HEAD, OPTIONS, POST"
        assert (await asgi_client.get(path)).headers["x-ratelimit-limit"] == "6000"
        assert "/plain/outer/inner/{number}" in asgi_client.app.openapi()["paths"]
        body = b'{"name": "\\ud800"}'
        refused = await asgi_client.post(path, body=body, headers=[("content-type", "application/json")])
        assert (refused.status, refused.code) == (422, "VALIDATION_ERROR")

    async def test_mounted_application_is_reached(self, asgi_client: AsgiClient) -> None:
        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse(scope["root_path"])(scope, receive, send)

        asgi_client.app.router.routes.append(Mount("/mounted", mounted))
        assert (await asgi_client.get("/mounted/inner")).body == b"/mounted"
        assert (await asgi_client.get("/mountedly")).status == 404

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "//",
            PATH + "/",
            PATH + "//",
            "/" + PATH,
            PATH + "/7/",
            PATH + "/7/parts/",
            PATH + "/7/parts/9\n",
            PATH + "/7/parts/" + "9" * 5000,
            PATH + "/a/b/parts/9",
            PATH + "\n",
            PATH.upper(),
            PATH + "/../things",
            PATH + "/7/parts/٣x",
            "/api",
            "*",
        ],
    )
    async def test_unusual_paths_are_not_found(self, asgi_client: AsgiClient, path: str) -> None:
        assert (await asgi_client.get(path)).status == 404

    @pytest.mark.parametrize("odd", ["\0", "\ud800", "%2F", "..", "a b", "é", "'\"", "x" * 10_000])
    async def test_unusual_parameter_values_are_accepted(self, asgi_client: AsgiClient, odd: str) -> None:
        assert (await asgi_client.get(f"{PATH}/by-id/{odd}")).status == 422


class TestMethods:
    async def test_405_lists_every_method_of_the_path(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client("PATCH", PATH)

        assert (response.status, response.code) == (405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"

    async def test_405_lists_the_methods_of_all_routes_with_the_path(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client("PUT", f"{PATH}/7")).headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"

    async def test_options_lists_the_methods(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client("OPTIONS", PATH)

        assert (response.status, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")

    async def test_head_is_get_without_a_body(self, asgi_client: AsgiClient) -> None:
        get, head = await asgi_client.get(PATH), await asgi_client("HEAD", PATH)

        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]

    async def test_unknown_method_is_not_allowed(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client("BREW", PATH)).status == 405

    async def test_trailing_slash_redirects_pages_but_not_the_api(self, asgi_client: AsgiClient) -> None:
        redirected = await asgi_client.get("/docs/", query=b"theme=dark&next=%2F")
        assert (redirected.status, redirected.headers["location"]) == (307, "/docs?theme=dark&next=%2F")
        assert (await asgi_client.get("//docs/")).status == 404
        assert (await asgi_client.post("/docs/")).status == 404
        assert (await asgi_client.get(PATH + "/")).status == 404

    async def test_missing_trailing_slash_redirects_with_every_method(self, asgi_client: AsgiClient) -> None:
        plain = APIRouter(prefix="/plain")
        plain.post("/")(create_thing)
        asgi_client.app.include_router(plain)
        redirected = await asgi_client.post("/plain", query=b"a=1")
        assert (redirected.status, redirected.headers["location"]) == (307, "/plain/?a=1")
        assert (await asgi_client.get("/plain")).status == 404

    async def test_plain_router_added_later_is_documented(self, asgi_client: AsgiClient) -> None:
        plain = APIRouter(prefix="/plain")

        @plain.get("/things")
        async def list_plain_things() -> list[str]:
            return []

        asgi_client.app.include_router(plain)
        assert "get" in asgi_client.app.openapi()["paths"]["/plain/things"]

    async def test_missing_trailing_slash_redirects_to_a_mount(self, asgi_client: AsgiClient) -> None:
        asgi_client.app.mount("/mounted", PlainTextResponse("inside"))
        redirected = await asgi_client.get("/mounted", query=b"a=1")
        assert (redirected.status, redirected.headers["location"]) == (307, "/mounted/?a=1")
        assert (await asgi_client.get("/mounted/")).body == b"inside"
        assert (await asgi_client.get("//mounted")).status == 404


class TestHandling:
    async def test_function_scoped_dependencies_end_before_the_response_and_others_after(
        self, asgi_client: AsgiClient
    ) -> None:
        response = await asgi_client.get(f"{PATH}/scopes/both")

        assert response.body == b"function request"
        assert done == ["function ended", "response sent", "background", "request ended"]

    async def test_endpoint_without_parameters_responds_like_others(self, asgi_client: AsgiClient) -> None:
        assert (await asgi_client.get(f"{PATH}/bare/response")).body == b"bare"
        assert done == ["after bare"]
        assert (await asgi_client("HEAD", f"{PATH}/bare/response")).headers["content-length"] == "4"
        assert (await asgi_client.get(f"{PATH}/bare/error")).code == "NOT_FOUND"
        assert (await asgi_client("DELETE", f"{PATH}/bare/response")).headers["allow"] == "GET, HEAD, OPTIONS"

    async def test_uploaded_files_are_closed(self, asgi_client: AsgiClient) -> None:
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x--\r\n'
        response = await asgi_client.post(
            f"{PATH}/upload", headers=[("content-type", "multipart/form-data; boundary=x")], body=body
        )

        assert response.json == {"size": 3}
        assert done[0].file.closed  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        "content_type",
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x; charset=utf-7"],
    )
    async def test_malformed_upload_is_a_client_error(self, asgi_client: AsgiClient, content_type: str) -> None:
        response = await asgi_client.post(
            f"{PATH}/upload", headers=[("content-type", content_type)], body=b"--x\r\n\0garbage"
        )

        assert 400 <= response.status < 500

    @has_limits
    async def test_form_with_too_many_files_is_refused(self, build: Build) -> None:
        own = Router(surface="public", prefix="/things")
        own.post("/upload/limited", form_limits={"max_files": 1})(upload_one)
        asgi_client = build(own)
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n'
        headers = [("content-type", "multipart/form-data; boundary=x")]
        limited = f"{PATH}/upload/limited"
        assert (await asgi_client.post(limited, headers=headers, body=part + b"--x--\r\n")).json == {"size": 3}
        response = await asgi_client.post(limited, headers=headers, body=part * 2 + b"--x--\r\n")
        assert (response.status, response.json["error"]["message"]) == (
            400,
            "Too many files. Maximum number of files is 1.",
        )

    async def test_dependencies_can_be_overridden_for_one_application(self, build: Build) -> None:
        changed, unchanged = build(router), build(router)

        async def other() -> AsyncIterator[str]:
            yield "other"

        changed.app.dependency_overrides[function_scoped] = other

        assert (await changed.get(f"{PATH}/scopes/both")).body == b"other request"
        assert (await unchanged.get(f"{PATH}/scopes/both")).body == b"function request"

    async def test_unknown_websocket_is_closed(self, asgi_client: AsgiClient) -> None:
        sent: list[Any] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"api.example.com")], "root_path": ""}
        await asgi_client.app(scope, receive, send)

        assert [message["type"] for message in sent] == ["websocket.close"]

    async def test_the_lifespan_runs(self, build: Build) -> None:
        messages, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

        async def receive() -> dict[str, str]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await build().app({"type": "lifespan", "state": {}}, receive, send)

        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
