import asyncio
from typing import Any

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http.middleware.timeouts import Timeouts
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


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock only changes on request."""

    now = 0.0

    def time(self) -> float:
        return self.now


def test_timer_of_another_event_loop_cancels_nothing() -> None:
    """A test client runs each request on an event loop of its own."""
    timeouts, sent = Timeouts(wait_forever, 60), list[str]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def start() -> asyncio.Task[None]:
        scope = {"type": "http", "method": "GET", "path": "/api", "headers": [], "state": {}}
        task = asyncio.create_task(timeouts(scope, wait_forever, send))
        await asyncio.sleep(0)
        return task

    async def let_timers_run() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    first, second = SteppedLoop(), SteppedLoop()
    try:
        abandoned, task = first.run_until_complete(start()), second.run_until_complete(start())
        first.now = 1000
        first.run_until_complete(let_timers_run())
        assert (abandoned.cancelling(), task.cancelling()) == (0, 0)
        second.now = 1000
        second.run_until_complete(let_timers_run())
        assert task.done()
        assert sent == ["http.response.start", "http.response.body"]
        assert not abandoned.cancelling()
        abandoned.cancel()
        first.run_until_complete(asyncio.gather(abandoned, return_exceptions=True))
    finally:
        first.close()
        second.close()


async def wait_forever(*_: Any) -> Any:
    await asyncio.Event().wait()
