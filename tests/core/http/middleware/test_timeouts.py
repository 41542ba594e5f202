import asyncio

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf"
SHORT = (HttpSettings(request_timeout=0.05),)


async def test_an_answer_that_does_not_begin_is_given_up(build: Build) -> None:
    response = await build(router, settings=SHORT).get(f"{PATH}/slow")

    assert (response.status, response.code) == (504, "TIMED_OUT")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_does_not_arrive_is_the_clients_fault(build: Build) -> None:
    headers = [("content-type", "application/json"), ("content-length", "500")]
    response = await build(router, settings=SHORT).post(f"{PATH}/echo", headers=headers, body=[])

    assert (response.status, response.code) == (408, "BODY_TIMED_OUT")
    assert response.headers["connection"] == "close"


async def test_a_body_that_nobody_read_is_not(build: Build) -> None:
    response = await build(router, settings=SHORT).get(
        f"{PATH}/slow", headers=[("content-length", "5")], body=[b"x" * 5]
    )

    assert (response.status, response.code) == (504, "TIMED_OUT")


async def test_many_at_once_are_all_given_up_and_the_task_lives_on(build: Build) -> None:
    asgi_client = build(router, settings=SHORT)
    responses = await asyncio.gather(*(asgi_client.get(f"{PATH}/slow") for _ in range(20)))

    assert {response.status for response in responses} == {504}
    assert (await asgi_client.get(f"{PATH}/who")).status == 200


async def test_a_stream_that_has_begun_may_take_longer(build: Build) -> None:
    response = await build(router, settings=SHORT).get(f"{PATH}/stream", query=b"pause=0.04")

    assert len(response.body) == 6000


async def test_one_that_answers_when_it_is_given_up_is_heard(build: Build) -> None:
    assert (await build(router, settings=SHORT).get(f"{PATH}/stubborn")).json == "late"


async def test_a_client_that_hangs_up_is_no_timeout(build: Build) -> None:
    asgi_client = build(router)
    task = asyncio.create_task(asgi_client.get(f"{PATH}/slow"))
    await asyncio.sleep(0)
    task.cancel()

    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
