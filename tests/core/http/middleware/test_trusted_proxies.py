import pytest
from starlette.types import Receive, Scope, Send

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http.middleware.trusted_proxies import TrustedProxies, client_key, parse_address
from undercroft.core.http.settings import HttpSettings

PATH = "/api/v1/public/shelf/who"
TRUSTED = HttpSettings(trusted_proxies=("10.0.0.0/8", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        ("10.0.0.1", ["nonsense, 10.8.8.8"], "10.8.8.8"),
        ("10.0.0.1", ["198.51.100.7, nonsense, 10.8.8.8"], "10.8.8.8"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["", ",,"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db9::1]:443"], "2001:db9::1"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8::5", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1," * 10_000 + "198.51.100.7"], "198.51.100.7"),
    ],
)
async def test_client_is_the_first_untrusted_hop_from_the_right(
    build: Build, peer: str, forwarded: list[str], client: str
) -> None:
    asgi_client = build(router, settings=(TRUSTED,))
    headers = [("x-forwarded-for", value) for value in forwarded]

    assert (await asgi_client.get(PATH, client=(peer, 1), headers=headers)).json["client"] == client


@pytest.mark.parametrize(
    ("peer", "forwarded", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", "HTTPS", "https"),
        ("10.0.0.1", "gopher", "http"),
        ("10.0.0.1", "http, https", "https"),
        ("203.0.113.9", "https", "http"),
    ],
)
async def test_scheme_is_taken_from_trusted_proxies_only(build: Build, peer: str, forwarded: str, scheme: str) -> None:
    asgi_client = build(router, settings=(TRUSTED,))
    response = await asgi_client.get(PATH, client=(peer, 1), scheme="http", headers=[("x-forwarded-proto", forwarded)])

    assert response.json["scheme"] == scheme


async def test_forwarded_headers_are_ignored_by_default(build: Build) -> None:
    response = await build(router).get(PATH, client=("127.0.0.1", 1), headers=[("x-forwarded-for", "198.51.100.7")])

    assert response.json["client"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("x" * 65, "x" * 64),
    ],
)
def test_client_key_is_the_ipv4_address_or_the_ipv6_network(host: str, key: str) -> None:
    assert client_key(host) == key


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", ":::", "[", "0x7f000001", "1.2.3.4 5", "a" * 100_000])
def test_invalid_address_is_none(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("forwarded", "protocols", "scheme"),
    [
        ("198.51.100.7, 10.2.3.4", "https, http", "https"),
        ("1.1.1.1, 198.51.100.7, 10.2.3.4", "http, https, http", "https"),
        ("198.51.100.7, 10.2.3.4", "https, http, http", "http"),
    ],
    ids=["first hop", "second hop", "another number of protocols"],
)
async def test_scheme_is_that_of_the_hop_of_the_client(
    build: Build, forwarded: str, protocols: str, scheme: str
) -> None:
    headers = [("x-forwarded-for", forwarded), ("x-forwarded-proto", protocols)]
    response = await build(router, settings=(TRUSTED,)).get(
        PATH, client=("10.0.0.1", 1), scheme="http", headers=headers
    )

    assert response.json == response.json | {"client": "198.51.100.7", "scheme": scheme}


def test_zone_is_not_part_of_an_address() -> None:
    assert str(parse_address("[fe80::1%eth0]:443")) == "fe80::1"


@pytest.mark.parametrize(
    ("forwarded", "scheme"), [("https", "wss"), ("http", "ws"), ("WSS", "wss"), ("ws", "ws"), ("gopher", "ws")]
)
async def test_scheme_of_a_websocket_is_that_of_its_handshake(forwarded: str, scheme: str) -> None:
    seen: list[str] = []

    async def record(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["scheme"])

    headers = [(b"x-forwarded-proto", forwarded.encode())]
    scope = {"type": "websocket", "scheme": "ws", "client": ("10.0.0.1", 1), "headers": headers}
    await TrustedProxies(record, ["10.0.0.0/8"])(scope, None, None)  # type: ignore[arg-type]
    assert seen == [scheme]
