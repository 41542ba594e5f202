import asyncio

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf"
SHORT = (HttpSettings(request_timeout=0.05),)


async def test_request_without_a_response_gets_504(build: Build) -> None:
    response = await build(router, settings=SHORT).get(f"{PATH}/slow")

    assert (response.status, response.code) == (504, "TIMED_OUT")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_body_that_does_not_arrive_gets_408(build: Build) -> None:
    headers = [("content-type", "application/json"), ("content-length", "500")]
    response = await build(router, settings=SHORT).post(f"{PATH}/echo", headers=headers, body=[])

    assert (response.status, response.code) == (408, "BODY_TIMED_OUT")
    assert response.headers["connection"] == "close"


async def test_unread_body_gets_504(build: Build) -> None:
    response = await build(router, settings=SHORT).get(
        f"{PATH}/slow", headers=[("content-length", "5")], body=[b"x" * 5]
    )

    assert (response.status, response.code) == (504, "TIMED_OUT")


async def test_concurrent_requests_all_time_out(build: Build) -> None:
    asgi_client = build(router, settings=SHORT)
    responses = await asyncio.gather(*(asgi_client.get(f"{PATH}/slow") for _ in range(20)))

    assert {response.status for response in responses} == {504}
    assert (await asgi_client.get(f"{PATH}/who")).status == 200


async def test_stream_that_has_begun_does_not_time_out(build: Build) -> None:
    response = await build(router, settings=SHORT).get(f"{PATH}/stream", query=b"pause=0.04")

    assert len(response.body) == 6000


async def test_response_sent_during_cancellation_is_delivered(build: Build) -> None:
    assert (await build(router, settings=SHORT).get(f"{PATH}/stubborn")).json == "late"


async def test_client_disconnect_is_not_a_timeout(build: Build) -> None:
    asgi_client = build(router)
    task = asyncio.create_task(asgi_client.get(f"{PATH}/slow"))
    await asyncio.sleep(0)
    task.cancel()

    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
