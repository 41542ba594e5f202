import gzip
import threading

import brotli  # type: ignore[import-untyped]
import pytest
from starlette.responses import PlainTextResponse, Response

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http import Router
from undercroft.core.http.middleware.compression import ENCODERS, THREAD_MIN_SIZE, negotiate_encoding
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf"
BOTH = [("accept-encoding", "gzip, deflate, br")]


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


async def test_response_is_compressed_by_brotli_or_gzip(asgi_client: AsgiClient) -> None:
    small = await asgi_client.get(f"{PATH}/text/5000", headers=BOTH)
    older = await asgi_client.get(f"{PATH}/text/5000", headers=[("accept-encoding", "gzip")])

    assert (small.headers["content-encoding"], older.headers["content-encoding"]) == ("br", "gzip")
    assert brotli.decompress(small.body) == gzip.decompress(older.body) == b"x" * 5000
    assert small.headers["content-length"] == str(len(small.body))
    assert small.all("content-length") == [str(len(small.body))]


@pytest.mark.parametrize("headers", [BOTH, []])
async def test_response_varies_by_accept_encoding(asgi_client: AsgiClient, headers: list[tuple[str, str]]) -> None:
    assert (await asgi_client.get(f"{PATH}/text/5000", headers=headers)).headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("text/1023", b""),
        ("text/5000", b"kind=image/png"),
        ("text/5000", b"kind=text/event-stream"),
        ("text/5000", b"encoding=zstd"),
        ("text/5000", b"etag=%22strong%22"),
        ("stream", b""),
    ],
)
async def test_small_binary_streamed_and_tagged_responses_are_not_compressed(
    asgi_client: AsgiClient, path: str, query: bytes
) -> None:
    response = await asgi_client.get(f"{PATH}/{path}", query=query, headers=BOTH)

    assert response.status == 200
    assert response.headers.get("content-encoding", "zstd") == "zstd"
    assert len(response.body) in (1023, 5000, 6000)


async def test_response_with_a_weak_tag_is_compressed(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get(f"{PATH}/text/5000", query=b"etag=W/%22weak%22", headers=BOTH)

    assert response.headers["content-encoding"] == "br"


async def test_large_response_is_compressed_completely(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get(f"{PATH}/text/2000000", headers=BOTH)

    assert len(brotli.decompress(response.body)) == 2_000_000


async def test_head_is_not_compressed(asgi_client: AsgiClient) -> None:
    response = await asgi_client("HEAD", f"{PATH}/text/5000", headers=BOTH)

    assert response.headers["content-length"] == "5000"


async def test_compression_can_be_disabled(build: Build) -> None:
    asgi_client = build(router, settings=(HttpSettings(compression=False),))

    assert "content-encoding" not in (await asgi_client.get(f"{PATH}/text/5000", headers=BOTH)).headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"", b""), (b"identity", b""), (b"br;q=0, gzip", b"gzip"), (b"br;q=0.000,gzip;q=0", b""), (b"*", b"br"),
        (b"*;q=0", b""), (b"BR", b"br"), (b"gzip;q=0.5 , br ; q=0", b"gzip"), (b"brotli", b""), (b",,,;", b""),
        (b"br" * 10_000, b""),
    ],
)  # fmt: skip
def test_encoding_is_negotiated_by_accept_encoding(accepted: bytes, coding: bytes) -> None:
    assert negotiate_encoding(accepted) == coding


@pytest.mark.parametrize(
    ("status", "headers", "coding"),
    [
        (200, {}, "br"),
        (404, {}, "br"),
        (206, {}, None),
        (200, {"Content-Range": "bytes 0-4999/9000"}, None),
    ],
    ids=["complete", "error", "partial", "range"],
)
async def test_partial_response_is_not_compressed(
    build: Build, status: int, headers: dict[str, str], coding: str | None
) -> None:
    own = Router(surface="public")

    @own.get("/own")
    async def respond() -> Response:
        return PlainTextResponse("x" * 5000, status, headers)

    response = await build(own).get("/api/v1/public/own", headers=BOTH)
    assert (response.status, response.headers.get("content-encoding")) == (status, coding)


@pytest.mark.parametrize(("size", "coding"), [(1023, None), (1024, "br")])
async def test_response_is_compressed_from_the_minimum_size_on(
    asgi_client: AsgiClient, size: int, coding: str | None
) -> None:
    response = await asgi_client.get(f"{PATH}/text/{size}", headers=BOTH)

    assert response.headers.get("content-encoding") == coding


@pytest.mark.parametrize(("size", "in_thread"), [(THREAD_MIN_SIZE - 1, False), (THREAD_MIN_SIZE, True)])
async def test_large_response_is_compressed_in_a_thread(
    asgi_client: AsgiClient, monkeypatch: pytest.MonkeyPatch, size: int, in_thread: bool
) -> None:
    threads: list[bool] = []

    def compress(body: bytes) -> bytes:
        threads.append(threading.current_thread() is not threading.main_thread())
        return gzip.compress(body)

    monkeypatch.setitem(ENCODERS, b"gzip", compress)
    response = await asgi_client.get(f"{PATH}/text/{size}", headers=[("accept-encoding", "gzip")])

    assert (gzip.decompress(response.body), threads) == (b"x" * size, [in_thread])
