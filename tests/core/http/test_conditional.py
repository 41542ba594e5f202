import re

import pytest
from fastapi import Response
from starlette.requests import Request

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.http import Router
from undercroft.core.http.conditional import InvalidIfMatch, etag, if_match, weak_etag


def request(name: str, *values: str) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for value in values]})


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ((), None),
        (("*",), None),
        ((" * ",), None),
        (('"3"',), (3,)),
        (('"1", "3"',), (1, 3)),
        (('"1"', '"3"'), (1, 3)),
        ((', "3" ,, "4",',), (3, 4)),
        (('W/"3"',), (3,)),
        (('W/"3", "4"',), (3, 4)),
        (('"3-gzip"',), (3,)),
        (('W/"3--br", "4;gzip"',), (3, 4)),
        (('"3-other"',), ()),
        (('"other,tag"', '"5"'), (5,)),
        (('""',), ()),
        (('"-3"',), ()),
        (('"\xb2"',), ()),
    ],
)
async def test_if_match_returns_the_listed_versions(header: tuple[str, ...], versions: tuple[int, ...] | None) -> None:
    assert await if_match(request("if-match", *header)) == versions


@pytest.mark.parametrize(
    "header", ["3", '"3', '"3 "', '"3";', '"a" "b"', ",", "", "W/3", '"\n"', 'w/"3"', "*, *", '"3"' + ', "3"' * 50_000]
)
async def test_malformed_if_match_is_a_client_error(header: str) -> None:
    with pytest.raises(InvalidIfMatch):
        await if_match(request("if-match", header))


async def test_hostile_header_is_parsed_quickly() -> None:
    with pytest.raises(InvalidIfMatch):
        await if_match(request("if-match", '"3"' + " ," * 490 + "x"))


def test_etag_of_a_version_is_strong() -> None:
    assert etag(3) == '"3"'


def test_weak_etag_depends_only_on_the_body() -> None:
    assert weak_etag(b"a") == weak_etag(b"a") != weak_etag(b"b")
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', weak_etag(b"a"))


router = Router(surface="public", prefix="/things")


@router.get("/strong")
async def read_strong() -> Response:
    headers = {"ETag": etag(3), "Cache-Control": "private", "Content-Location": "/things/3"}
    return Response(b'{"a": 1}', headers=headers, media_type="application/json")


@router.get("/weak")
async def read_weak() -> Response:
    return Response(b"x" * 2000, headers={"ETag": weak_etag(b"x" * 2000)}, media_type="text/plain")


@router.get("/plain")
async def read_plain() -> Response:
    return Response(b"1")


@router.post("/strong")
async def change_strong() -> Response:
    return Response(b"1", headers={"ETag": etag(3)})


@router.get("/missing")
async def read_missing() -> Response:
    return Response(b"1", status_code=404, headers={"ETag": etag(3)})


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


THINGS = "/api/v1/public/things"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("header", ['"3"', 'W/"3"', '"1", W/"3"', "*", " * ", '"3-gzip"', 'W/"3--br"'])
async def test_cached_response_is_304_without_a_body(asgi_client: AsgiClient, method: str, header: str) -> None:
    response = await asgi_client(method, f"{THINGS}/strong", headers=[("If-None-Match", header)])
    assert (response.status, response.body) == (304, b"")
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"3"', "private")
    assert response.headers["content-location"] == "/things/3"
    assert not {"content-length", "content-type", "content-encoding", "vary"} & set(response.headers)


async def test_repeated_if_none_match_headers_are_one_list(asgi_client: AsgiClient) -> None:
    header = [("If-None-Match", '"1"'), ("If-None-Match", '"3"'), ("If-None-Match", '"2"')]
    assert (await asgi_client.get(f"{THINGS}/strong", headers=header)).status == 304


@pytest.mark.parametrize("header", ['"2"', '"33"', "3", "", "nonsense", '"3', '"1" "3"', '"2-gzip"', 'w/"3"'])
async def test_changed_response_is_sent_completely(asgi_client: AsgiClient, header: str) -> None:
    response = await asgi_client.get(f"{THINGS}/strong", headers=[("If-None-Match", header)])
    assert (response.status, response.body) == (200, b'{"a": 1}')


async def test_304_of_a_compressed_response_varies_by_encoding(asgi_client: AsgiClient) -> None:
    accept = ("Accept-Encoding", "gzip")
    whole = await asgi_client.get(f"{THINGS}/weak", headers=[accept])
    assert (whole.headers["content-encoding"], whole.headers["vary"]) == ("gzip", "Accept-Encoding")
    unchanged = await asgi_client.get(f"{THINGS}/weak", headers=[accept, ("If-None-Match", whole.headers["etag"])])
    assert (unchanged.status, unchanged.body, unchanged.headers["vary"]) == (304, b"", "Accept-Encoding")
    assert "content-encoding" not in unchanged.headers


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "strong", 200), ("GET", "plain", 200), ("GET", "missing", 404)]
)
async def test_if_none_match_does_not_affect_writes_untagged_responses_and_errors(
    asgi_client: AsgiClient, method: str, path: str, status: int
) -> None:
    response = await asgi_client(method, f"{THINGS}/{path}", headers=[("If-None-Match", "*")])
    assert (response.status, response.body) == (status, b"1")
