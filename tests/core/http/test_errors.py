import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any
from warnings import catch_warnings, simplefilter

import asyncpg
import pytest
from fastapi import HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.errors import Conflict, NotFound
from undercroft.core.http import Router
from undercroft.core.settings import CoreSettings, Environment
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.users import make_client


class ShelfNotFound(NotFound):
    code = "SHELF_NOT_FOUND"
    message = "There is no such shelf."


class ShelfTaken(Conflict):
    code = "SHELF_TAKEN"
    message = "That shelf is taken."


class Shelf(BaseModel):
    name: str = Field(max_length=20)
    password: str = Field(default="long enough", min_length=8)
    anything: Any = None
    height: int | None = None


router = Router(surface="public", prefix="/shelves")


@router.get("/missing")
async def missing() -> None:
    raise ShelfNotFound


@router.get("/taken")
async def taken() -> None:
    raise ShelfTaken("Take the next one.", details={"next": 4, "odd": "\ud800"}, headers={"X-Next": "4"})


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("a secret of the house, sk=12345")


@router.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418, "short and stout", headers={"X-Spout": "left"})


@router.get("/database/{name}")
async def database(name: str) -> None:
    raise getattr(asyncpg, name)("relation users, password 1234")


@router.get("/half")
async def half() -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        yield b"the beginning"
        raise RuntimeError("torn")

    return StreamingResponse(stream())


@router.get("/streamed")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 5000

    return StreamingResponse(pieces(), media_type="application/octet-stream")


@router.post("/streamed")
async def read_stream(request: Request) -> int:
    return len([chunk async for chunk in request.stream()])


@router.post("")
async def create(sample_routes: Shelf) -> Shelf:
    return sample_routes


@router.post("/many")
async def create_many(shelves: list[Shelf]) -> int:
    return len(shelves)


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


JSON = [("content-type", "application/json")]
PATH = "/api/v1/public/shelves"


class TestShape:
    async def test_error_has_code_message_details_request_id_and_timestamp(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get(f"{PATH}/missing", headers=[("x-request-id", "my-request-1")])

        assert response.status == 404
        assert response.headers["content-type"] == "application/json"
        assert set(response.json) == {"error", "request_id", "timestamp"}
        assert response.json["error"] == {
            "code": "SHELF_NOT_FOUND",
            "message": "There is no such shelf.",
            "details": None,
        }
        assert response.json["request_id"] == "my-request-1"
        assert datetime.fromisoformat(response.json["timestamp"]).utcoffset() is not None

    async def test_details_that_json_cannot_represent_are_omitted(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get(f"{PATH}/taken")

        assert (response.status, response.code, response.headers["x-next"]) == (409, "SHELF_TAKEN", "4")

    async def test_starlette_errors_have_the_same_format(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get(f"{PATH}/teapot")

        assert (response.status, response.code, response.headers["x-spout"]) == (418, "HTTP_418", "left")
        assert response.json["error"]["message"] == "short and stout"

    async def test_unknown_path_is_not_found(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get("/api/v1/public/nowhere")

        assert (response.status, response.code) == (404, "NOT_FOUND")

    async def test_error_of_a_head_request_has_no_body(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client("HEAD", f"{PATH}/missing")

        assert (response.status, response.body) == (404, b"")


class TestUnexpectedErrors:
    async def test_unexpected_error_is_hidden_from_the_client_and_logged(
        self, asgi_client: AsgiClient, read_logs: Callable[[], str]
    ) -> None:
        response = await asgi_client.get(f"{PATH}/broken", headers=[("x-request-id", "find-me-in-the-log")])

        assert (response.status, response.code) == (500, "INTERNAL_ERROR")
        assert b"secret" not in response.body
        line = next(line for line in read_logs().splitlines() if "Traceback" in line)
        assert "find-me-in-the-log" in line
        assert "in broken" in line

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            ("UniqueViolationError", 409),
            ("DeadlockDetectedError", 409),
            ("CharacterNotInRepertoireError", 422),
            ("NumericValueOutOfRangeError", 422),
            ("QueryCanceledError", 503),
            ("AdminShutdownError", 503),
            ("UndefinedTableError", 500),
        ],
    )
    async def test_database_errors_are_translated(self, asgi_client: AsgiClient, error: str, status: int) -> None:
        response = await asgi_client.get(f"{PATH}/database/{error}")

        assert response.status == status
        assert b"1234" not in response.body
        assert ("retry-after" in response.headers) == (status == 503)

    async def test_response_that_has_begun_is_not_replaced_by_an_error(self, asgi_client: AsgiClient) -> None:
        with pytest.raises(RuntimeError, match="torn"):
            await asgi_client.get(f"{PATH}/half")


class TestValidation:
    async def test_validation_error_names_the_field_without_its_value(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.post(PATH, json_body={"password": "hunter2", "height": "tall"})

        assert (response.status, response.code) == (422, "VALIDATION_ERROR")
        fields = {field["field"]: field for field in response.json["error"]["details"]["fields"]}
        assert set(fields) == {"body.name", "body.password", "body.height"}
        assert set(fields["body.name"]) == {"field", "message", "type"}
        assert b"hunter2" not in response.body
        assert b"tall" not in response.body

    @pytest.mark.parametrize(
        "body",
        [
            b'{"name": ',
            b"{name: 1}",
            b"[1,]",
            b"\xef\xbb\xbf{}",
            b'{"name": "\xff"}',
            b'{"name": "\\ud800"}',
            b'{"anything": {"\\udfff": 1}, "name": "a"}',
            b'{"name": "a", "anything": NaN}',
            b'{"name": "a", "anything": Infinity}',
            b'{"name": "a", "anything": -1e999}',
            b'{"name": "a", "anything": ' + b"9" * 5000 + b"}",
            b'{"name": "a", "anything": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"name": "a", "anything": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
            b"nonsense",
            b"\0",
            b'"only text"',
            b"null",
            b"1",
        ],
    )
    async def test_hostile_json_is_refused(self, asgi_client: AsgiClient, body: bytes) -> None:
        response = await asgi_client.post(PATH, headers=JSON, body=body)

        assert (response.status, response.code) == (422, "VALIDATION_ERROR")

    @pytest.mark.parametrize(
        "body", [b'{"name": "a\\u0000"}', b'{"name": "\\ud83d\\ude00"}', b'{"name": "a", "name": "b"}']
    )
    async def test_unusual_valid_json_is_accepted(self, asgi_client: AsgiClient, body: bytes) -> None:
        assert (await asgi_client.post(PATH, headers=JSON, body=body)).status == 200

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/xml", "", "application/x-www-form-urlencoded", "a/b/c; =\0"]
    )
    async def test_other_content_types_are_refused(self, asgi_client: AsgiClient, content_type: str) -> None:
        response = await asgi_client.post(PATH, headers=[("content-type", content_type)], body=b'{"name": "a"}')

        assert (response.status, response.code) == (415, "UNSUPPORTED_MEDIA_TYPE")

    async def test_missing_body_is_a_missing_field(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.post(PATH)

        assert response.status == 422
        assert response.json["error"]["details"]["fields"][0]["field"] == "body"

    async def test_number_of_listed_field_errors_is_bounded(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.post(f"{PATH}/many", json_body=[{}] * 10_000)

        assert response.status == 422
        assert len(response.json["error"]["details"]["fields"]) == 50


class TestBrowsers:
    async def test_browser_gets_an_error_page_outside_the_api(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get("/nowhere", headers=[("accept", "text/html,*/*")])

        assert response.status == 404
        assert response.headers["content-type"].startswith("text/html")
        assert "style-src 'self'" in response.headers["content-security-policy"]
        assert b"Page not found" in response.body

    async def test_browser_gets_a_json_error_from_the_api(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get("/api/v1/nowhere", headers=[("accept", "text/html")])

        assert response.headers["content-type"] == "application/json"


class ShelfRead(BaseModel):
    name: str
    width: int


@router.get("/mismatch", response_model=ShelfRead)
async def mismatch() -> dict[str, str]:
    return {"name": "a"}


DEVELOPMENT = CoreSettings(environment=Environment.DEVELOPMENT, public_url="http://127.0.0.1:8000")
LOCAL: dict[str, Any] = {"client": ("127.0.0.1", 4711), "host": "127.0.0.1:8000", "scheme": "http"}
SHELVES = "/api/v1/public/shelves"


@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
async def test_developer_sees_where_an_error_came_from(build: Build, client: str) -> None:
    asgi_client = build(router, settings=(DEVELOPMENT,))
    error = (await asgi_client.get(f"{SHELVES}/broken", **LOCAL | {"client": (client, 1)})).json["error"]
    assert error["code"] == "INTERNAL_ERROR"
    assert error["message"].startswith("RuntimeError: a secret of the house, sk=12345 (")
    assert "tests/core/http/test_errors.py:" in error["details"]["at"]
    assert error["details"]["source"] == 'raise RuntimeError("a secret of the house, sk=12345")'


async def test_developer_sees_which_response_fields_are_invalid(build: Build) -> None:
    asgi_client = build(router, settings=(DEVELOPMENT,))
    error = (await asgi_client.get(f"{SHELVES}/mismatch", **LOCAL)).json["error"]
    assert error["message"].startswith("ResponseValidationError: response.width: Field required (")
    assert error["details"]["source"] == '@router.get("/mismatch", response_model=ShelfRead)'
    assert "response model" in error["details"]["hint"]


@pytest.mark.parametrize(
    ("environment", "changes"),
    [
        (Environment.PRODUCTION, {}),
        (Environment.TEST, {}),
        (Environment.DEVELOPMENT, {"client": ("192.0.2.10", 4711)}),
        (Environment.DEVELOPMENT, {"client": None}),
        (Environment.DEVELOPMENT, {"headers": [("X-Forwarded-For", "127.0.0.1")]}),
        (Environment.DEVELOPMENT, {"headers": [("Forwarded", "for=127.0.0.1")]}),
    ],
    ids=["production", "test", "another machine", "no address", "a proxy", "a proxy by RFC 7239"],
)
async def test_other_clients_do_not_see_where_an_error_came_from(
    build: Build, environment: Environment, changes: dict[str, Any]
) -> None:
    core = CoreSettings(environment=environment, public_url="http://127.0.0.1:8000")
    response = await build(router, settings=(core,)).get(f"{SHELVES}/broken", **LOCAL | changes)
    assert (response.status, response.code, response.json["error"]["details"]) == (500, "INTERNAL_ERROR", None)
    assert b"sk=12345" not in response.body
    assert b".py" not in response.body


async def test_log_of_an_error_names_its_line(build: Build, read_logs: Callable[[], str]) -> None:
    await build(router).get(f"{SHELVES}/broken")
    line = next(line for line in map(json.loads, read_logs().splitlines()) if line["event"] == "unhandled error")
    assert "tests/core/http/test_errors.py:" in line["at"]
    assert line["source"].startswith("raise RuntimeError(")


async def test_log_of_an_unavailable_database_names_its_code_and_cause_without_a_traceback(
    build: Build, read_logs: Callable[[], str]
) -> None:
    await build(router).get(f"{SHELVES}/database/ConnectionDoesNotExistError")
    lines = [json.loads(line) for line in read_logs().splitlines()]
    assert "unhandled error" not in {line["event"] for line in lines}
    line = next(line for line in lines if line["event"] == "request failed")
    assert (line["code"], line["route"]) == ("DATABASE_UNAVAILABLE", "/api/v1/public/shelves/database/{name}")
    assert line["cause"].startswith("ConnectionDoesNotExistError: ")
    assert "Traceback" not in json.dumps(line)


def _test_client(app: Any, **options: Any) -> Any:
    with catch_warnings():
        simplefilter("ignore")  # Starlette recommends the successor of httpx
        from starlette.testclient import TestClient
    return TestClient(app, base_url="https://api.example.com", **options)


def test_test_client_raises_an_unexpected_error_and_no_other(build: Build) -> None:
    client = _test_client(build(router).app)
    with pytest.raises(RuntimeError, match="a secret of the house"):
        client.get(f"{SHELVES}/broken")
    assert client.get(f"{SHELVES}/missing").json()["error"]["code"] == "SHELF_NOT_FOUND"


def test_test_client_gets_500_when_raise_server_exceptions_is_false(build: Build) -> None:
    client = _test_client(build(router).app, raise_server_exceptions=False)
    response = client.get(f"{SHELVES}/broken")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "INTERNAL_ERROR")


async def test_plugin_client_raises_an_unexpected_error_by_default(build: Build) -> None:
    app = build(router, settings=(CoreSettings(environment=Environment.TEST, public_url=PUBLIC_URL),)).app
    async with make_client(app) as raising, make_client(app, raise_app_exceptions=False) as plain:
        with pytest.raises(RuntimeError, match="a secret of the house"):
            await raising.get(f"{SHELVES}/broken")
        assert (await raising.get(f"{SHELVES}/missing")).status_code == 404
        assert (await plain.get(f"{SHELVES}/broken")).status_code == 500


@pytest.mark.parametrize(("method", "sent"), [("POST", []), ("GET", ["http.response.start"])], ids=["before", "during"])
async def test_disconnect_of_the_client_is_logged_with_status_499(
    build: Build, read_logs: Callable[[], str], method: str, sent: list[str]
) -> None:
    app, messages = build(router).app, list[str]()

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the connection is closed")
        messages.append(message["type"])

    headers = [(b"host", b"api.example.com")] + [(b"content-length", b"5")] * (method == "POST")
    scope = {"type": "http", "method": method, "path": f"{SHELVES}/streamed", "query_string": b"", "headers": headers}
    connection = {"scheme": "https", "root_path": "", "client": ("192.0.2.10", 4711), "asgi": {"spec_version": "2.4"}}
    await app(scope | connection, receive, send)
    lines = [json.loads(line) for line in read_logs().splitlines()]
    assert [line["status"] for line in lines if "status" in line] == [499]
    assert "unhandled error" not in {line["event"] for line in lines}
    assert messages == sent


async def test_developer_sees_the_message_of_an_error_of_unknown_origin(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undercroft.core.http.errors.find_origin", lambda _error: None)
    error = (await build(router, settings=(DEVELOPMENT,)).get(f"{SHELVES}/broken", **LOCAL)).json["error"]
    assert error == {
        "code": "INTERNAL_ERROR",
        "message": "RuntimeError: a secret of the house, sk=12345",
        "details": None,
    }
