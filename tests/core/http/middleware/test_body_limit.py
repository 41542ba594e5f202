import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.core.http.asking import Ask
from tests.core.http.conftest import Build
from tests.core.http.middleware.shelf import router
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf"
JSON = ("content-type", "application/json")
LIMIT = 2048


@pytest.fixture
def ask(build: Build) -> Ask:
    return build(router, settings=(HttpSettings(max_body_size=LIMIT),))


async def test_a_body_of_just_the_limit_is_taken(ask: Ask) -> None:
    body = b'{"a": "' + b"x" * (LIMIT - 9) + b'"}'

    assert len(body) == LIMIT
    assert (await ask.post(f"{PATH}/echo", headers=[JSON, ("content-length", str(LIMIT))], body=body)).status == 200


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 400, "00000000000000000000000000009999"])
async def test_one_that_says_it_is_larger_is_refused_unread(ask: Ask, length: str) -> None:
    answer = await ask.post(f"{PATH}/echo", headers=[JSON, ("content-length", length)], body=b"{}")

    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.json["error"]["details"] == {"max_bytes": LIMIT}
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["echo", "drain"])
@pytest.mark.parametrize("length", [None, "10", "-1", "nonsense"])
async def test_one_that_lies_or_says_nothing_is_cut_off(ask: Ask, path: str, length: str | None) -> None:
    headers = [JSON] if length is None else [JSON, ("content-length", length)]
    answer = await ask.post(f"{PATH}/{path}", headers=headers, body=[b'{"a":'] + [b"1" * 500] * 10)

    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_with_get_is_counted_when_it_is_streamed(ask: Ask) -> None:
    answer = await ask.get(f"{PATH}/who", headers=[("transfer-encoding", "chunked")], body=[b"x" * 5000])

    assert answer.status == 200


async def test_an_answer_that_has_begun_is_torn_and_not_begun_again(ask: Ask) -> None:
    class BeginsBeforeItReads:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive())["more_body"]:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})

    ask.app.router.routes.append(Route("/eager", BeginsBeforeItReads()))

    with pytest.raises(HTTPException):
        await ask.post("/eager", body=[b"x" * 1500] * 3)
