import asyncio
from contextlib import suppress

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build, has_limits
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http import Router
from undercroft.core.http.middleware import body_limit
from undercroft.core.http.middleware.body_limit import BodyLimit
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf"
JSON = ("content-type", "application/json")
LIMIT = 2048


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router, settings=(HttpSettings(max_body_size=LIMIT),))


async def test_body_of_exactly_the_limit_is_accepted(asgi_client: AsgiClient) -> None:
    body = b'{"a": "' + b"x" * (LIMIT - 9) + b'"}'

    assert len(body) == LIMIT
    assert (
        await asgi_client.post(f"{PATH}/echo", headers=[JSON, ("content-length", str(LIMIT))], body=body)
    ).status == 200


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 400, "00000000000000000000000000009999"])
async def test_body_with_a_larger_content_length_is_refused_unread(asgi_client: AsgiClient, length: str) -> None:
    response = await asgi_client.post(f"{PATH}/echo", headers=[JSON, ("content-length", length)], body=b"{}")

    assert (response.status, response.code) == (413, "PAYLOAD_TOO_LARGE")
    assert response.json["error"]["details"] == {"max_bytes": LIMIT}
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["echo", "drain"])
@pytest.mark.parametrize("length", [None, "10", "-1", "nonsense"])
async def test_body_with_a_wrong_or_missing_content_length_is_refused_at_the_limit(
    asgi_client: AsgiClient, path: str, length: str | None
) -> None:
    headers = [JSON] if length is None else [JSON, ("content-length", length)]
    response = await asgi_client.post(f"{PATH}/{path}", headers=headers, body=[b'{"a":'] + [b"1" * 500] * 10)

    assert (response.status, response.code) == (413, "PAYLOAD_TOO_LARGE")


@has_limits
@pytest.mark.parametrize("with_length", [True, False], ids=["length", "chunked"])
@pytest.mark.parametrize(("own_limit", "size", "status"), [(LIMIT * 3, LIMIT * 2, 200), (LIMIT * 3, LIMIT * 4, 413),
                                                           (100, 200, 413), (None, LIMIT * 2, 413)])  # fmt: skip
async def test_route_sets_its_own_limit(
    build: Build, own_limit: int | None, size: int, status: int, with_length: bool
) -> None:
    own = Router(surface="public")

    @own.post("/own/{name}", max_body_size=own_limit)
    async def echo(name: str, body: dict[str, str]) -> dict[str, str]:
        return body

    body = b'{"a": "' + b"x" * (size - 9) + b'"}'
    headers = [JSON, ("content-length", str(size))] if with_length else [JSON]
    client = build(own, settings=(HttpSettings(max_body_size=LIMIT),))
    response = await client.post("/api/v1/public/own/box", headers=headers, body=[body[:50], body[50:]])
    assert response.status == status
    if status == 413:
        assert response.json["error"]["details"] == {"max_bytes": own_limit or LIMIT}


async def test_chunked_body_of_a_get_request_is_limited(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get(f"{PATH}/who", headers=[("transfer-encoding", "chunked")], body=[b"x" * 5000])

    assert response.status == 200


async def test_response_that_has_begun_is_aborted_at_the_limit(asgi_client: AsgiClient) -> None:
    class StartsBeforeReading:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive())["more_body"]:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})

    asgi_client.app.router.routes.append(Route("/eager", StartsBeforeReading()))

    with pytest.raises(HTTPException):
        await asgi_client.post("/eager", body=[b"x" * 1500] * 3)


class BodyRecorder:
    """A request body in pieces, and the messages that had been sent when each piece was requested."""

    def __init__(self, pieces: int, *, headers: list[tuple[bytes, bytes]]) -> None:
        self.left = pieces
        self.sent: list[str] = []
        self.sent_by_then: list[list[str]] = []
        state = {"request_headers": dict(headers), "request_id": "1"}
        self.scope: Scope = {"type": "http", "method": "POST", "path": "/api/v1", "state": state, "headers": headers}

    async def receive(self) -> Message:
        self.left -= 1
        self.sent_by_then.append([*self.sent])
        return {"type": "http.request", "body": b"x", "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        self.sent.append(message["type"])


async def respond_without_reading(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", 404)(scope, receive, send)


async def test_rest_of_the_body_is_drained_before_the_response() -> None:
    recorder = BodyRecorder(5, headers=[(b"content-length", b"5")])

    await BodyLimit(respond_without_reading, LIMIT)(recorder.scope, recorder.receive, recorder.send)

    assert recorder.sent_by_then == [[]] * 5
    assert recorder.sent == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("headers", [[(b"expect", b"100-continue")], [(b"content-length", b"9" * 12)]], ids=str)
async def test_body_is_not_drained_when_the_client_expects_100_continue_or_sends_too_much(
    headers: list[tuple[bytes, bytes]],
) -> None:
    recorder = BodyRecorder(5, headers=headers)

    await BodyLimit(respond_without_reading, LIMIT)(recorder.scope, recorder.receive, recorder.send)

    assert recorder.left == 5
    assert recorder.sent == ["http.response.start", "http.response.body"]


async def test_client_that_stops_sending_gets_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(body_limit, "DRAIN_SECONDS", 0.05)
    recorder = BodyRecorder(5, headers=[(b"content-length", b"5")])

    await BodyLimit(respond_without_reading, LIMIT)(recorder.scope, never, recorder.send)

    assert recorder.sent == ["http.response.start", "http.response.body"]


async def test_streamed_response_does_not_wait_for_the_body() -> None:
    async def echoes(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            more = (await receive())["more_body"]
            await send({"type": "http.response.body", "body": b"x", "more_body": more})

    recorder = BodyRecorder(3, headers=[(b"content-length", b"3")])

    await BodyLimit(echoes, LIMIT)(recorder.scope, recorder.receive, recorder.send)

    assert recorder.sent_by_then == [[], ["http.response.start", "http.response.body"], [*recorder.sent[:3]]]


async def test_application_that_ignores_the_limit_reads_no_further_piece() -> None:
    read: list[int] = []

    async def ignore_the_limit(_scope: Scope, receive: Receive, _send: Send) -> None:
        for number in range(4):
            with suppress(HTTPException):
                await receive()
                read.append(number)

    recorder = BodyRecorder(9, headers=[(b"transfer-encoding", b"chunked"), (b"expect", b"100-continue")])

    await BodyLimit(ignore_the_limit, 2)(recorder.scope, recorder.receive, recorder.send)

    assert (read, recorder.left) == ([0, 1], 6)
    assert recorder.sent == ["http.response.start", "http.response.body"]
