import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.core.tap import Tap
from undercroft.core.resp import Pipe, ReplyError


@pytest.fixture
async def tap(redis_url: str) -> AsyncIterator[Tap]:
    async with Tap(redis_url) as tap:
        yield tap


@pytest.fixture
async def pipe(tap: Tap) -> AsyncIterator[Pipe]:
    pipe = Pipe(tap.url, timeout=1, connect_timeout=2)
    yield pipe
    await pipe.close()


async def test_replies_of_every_simple_kind(pipe: Pipe) -> None:
    assert await pipe.run("PING") == b"PONG"
    assert await pipe.run("SET", "a", b"\0\r\n$5\r\n\xff") == b"OK"
    assert await pipe.run("GET", "a") == b"\0\r\n$5\r\n\xff"
    assert await pipe.run("STRLEN", "a") == 8
    assert await pipe.run("GET", "missing") is None


async def test_replies_reach_those_who_asked(pipe: Pipe) -> None:
    large = b"x" * 100_000
    replies = await asyncio.gather(*(pipe.run("ECHO", b"%d" % n + large) for n in range(200)))

    assert [bytes(reply[: -len(large)]) for reply in replies if isinstance(reply, bytes)] == [
        b"%d" % n for n in range(200)
    ]


async def test_many_at_once_share_one_connection(pipe: Pipe, redis_url: str) -> None:
    from redis.asyncio import Redis

    await asyncio.gather(*(pipe.run("PING") for _ in range(50)))
    async with Redis.from_url(redis_url) as other:
        clients = await other.client_list()

    assert len([client for client in clients if client["cmd"] == "ping"]) == 1


async def test_a_refused_command_is_an_error_and_the_next_one_works(pipe: Pipe) -> None:
    with pytest.raises(ReplyError, match="unknown command"):
        await pipe.run("NONSENSE")

    assert await pipe.run("PING") == b"PONG"


async def test_one_who_gave_up_waiting_does_not_shift_the_replies(pipe: Pipe) -> None:
    await pipe.run("PING")
    impatient = asyncio.create_task(pipe.run("ECHO", "first"))
    await asyncio.sleep(0)
    second = asyncio.create_task(pipe.run("ECHO", "second"))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await second == b"second"


async def test_a_lost_connection_fails_those_who_wait_and_is_made_anew(pipe: Pipe, tap: Tap) -> None:
    await pipe.run("PING")
    tap.silence()
    waiting = [asyncio.create_task(pipe.run("PING")) for _ in range(5)]
    await asyncio.sleep(0)
    await tap.close()
    assert all(isinstance(each, OSError) for each in await asyncio.gather(*waiting, return_exceptions=True))

    tap.flow()
    await tap.open()
    assert await pipe.run("PING") == b"PONG"


async def test_silence_is_a_timeout(tap: Tap) -> None:
    pipe = Pipe(tap.url, timeout=0.05, connect_timeout=2)
    async with asyncio.timeout(5):
        while True:
            try:
                await pipe.run("PING")
                break
            except TimeoutError:
                continue
    tap.silence()

    with pytest.raises(TimeoutError):
        await pipe.run("PING")
    tap.flow()
    await pipe.close()


async def test_a_wrong_password_is_refused(redis_url: str) -> None:
    pipe = Pipe(redis_url.replace("redis://:", "redis://:wrong"), timeout=1, connect_timeout=2)

    with pytest.raises(ReplyError):
        await pipe.run("PING")
    await pipe.close()


@pytest.fixture
async def babble() -> AsyncIterator[Callable[[bytes], object]]:
    """A server that answers every command with these bytes, one by one."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(reply: bytes) -> Pipe:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await reader.read(1)
            for position in range(len(reply)):
                writer.write(reply[position : position + 1])
                await writer.drain()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return Pipe(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.5, connect_timeout=1)

    yield start
    for writer in writers:
        writer.close()
    for server in servers:
        server.close()


@pytest.mark.parametrize("reply", [b"$5\r\nhello\r\n", b"+hello\r\n"])
async def test_a_reply_may_come_byte_by_byte(babble: Callable[[bytes], object], reply: bytes) -> None:
    pipe = await babble(reply)  # type: ignore[misc]

    assert await pipe.run("PING") == b"hello"
    await pipe.close()


@pytest.mark.parametrize(
    "reply",
    [b"*1\r\n+a\r\n", b":abc\r\n", b"$x\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfe\r\n", b"$5\r\nhe"],
)
async def test_a_server_that_is_none_is_an_error(babble: Callable[[bytes], object], reply: bytes) -> None:
    pipe = await babble(reply)  # type: ignore[misc]

    with pytest.raises(OSError, match=r"language|answer"):
        await pipe.run("PING")
    await pipe.close()
