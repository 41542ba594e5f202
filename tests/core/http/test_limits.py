from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from prometheus_client import REGISTRY
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.auth import Authenticator, PlatformRole, Principal
from undercroft.core.context import use_context
from undercroft.core.errors import NotFound, Unauthorized
from undercroft.core.http import Exempt, Router, declare
from undercroft.core.http.limits import CORE_RATES, Limiter, RateLimitRule, RateLimits, get_rate_limit_rule
from undercroft.core.http.rates import Rate
from undercroft.core.http.settings import HttpSettings
from undercroft.core.ids import new_id

public = Router(surface="public", prefix="/limited")
app_routes = Router(surface="app", prefix="/limited")
auth = Router(surface="auth")
root = Router(surface="root")
FEW = HttpSettings(
    rate_limit_public="3/minute",
    rate_limit_app="3/minute",
    rate_limit_auth="3/minute",
    rate_limit_sign_in="2/minute",
    rate_limit_scale=1,
)


@pytest.fixture
def build(build: Build) -> Build:
    """Like `build`, for an application whose modules declare a named rate."""

    def make(*routers: Router, **options: Any) -> AsgiClient:
        client = build(*routers, **options)
        client.app.context.add(RateLimits, RateLimits([("expensive", lambda: "1/hour")]))
        return client

    return make


@public.get("/one")
async def one() -> str:
    return "one"


@public.get("/two")
async def two() -> str:
    return "two"


@public.get("/fails")
async def fails() -> None:
    raise NotFound


@public.get("/own", limit="5/minute")
async def own() -> str:
    return "own"


@public.get("/named", limit="expensive")
async def named() -> str:
    return "named"


@public.get("/free", limit=None)
async def free() -> str:
    return "free"


@auth.post("/login", limit="sign_in")
async def login() -> None:
    raise Unauthorized


@root.post("/sign-in", limit="sign_in")
async def login_by_page() -> None:
    raise Unauthorized


@auth.post("/forgot", limit="sign_in_request")
async def forgot() -> None:
    return None


@app_routes.get("/mine")
async def mine() -> str:
    return "mine"


@root.get("/health", limit=None)
async def health() -> str:
    return "healthy"


class FakeAuthenticator:
    """Accepts `Bearer <name>` for every name except revoked ones."""

    async def authenticate(self, request: Request) -> Principal:
        if self.verified_subject(request) in (None, "revoked"):
            raise Unauthorized
        return Principal(new_id(), new_id(), PlatformRole.USER, new_id(), frozenset())

    def known_device(self, request: Request) -> str | None:
        return request.cookies.get("device")

    def verified_subject(self, request: Request) -> str | None:
        scheme, _, name = request.headers.get("authorization", "").partition(" ")
        return name if scheme == "Bearer" and name != "forged" else None


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    asgi_client = build(public, app_routes, auth, root, settings=(FEW,))
    asgi_client.app.context.add(Authenticator, FakeAuthenticator())
    return asgi_client


async def statuses(asgi_client: AsgiClient, path: str, times: int, **kwargs: Any) -> list[int]:
    return [(await asgi_client.get(path, **kwargs)).status for _ in range(times)]


PUBLIC = "/api/v1/public/limited"
MINE = "/api/v1/app/limited/mine"


def bearer(name: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {name}")]


class TestSurface:
    async def test_routes_of_a_surface_share_its_rate(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, f"{PUBLIC}/one", 2) == [200, 200]
        assert await statuses(asgi_client, f"{PUBLIC}/two", 2) == [200, 429]

    async def test_every_response_has_rate_limit_headers(self, asgi_client: AsgiClient) -> None:
        response = await asgi_client.get(f"{PUBLIC}/one")
        failed = await asgi_client.get(f"{PUBLIC}/fails")

        assert (response.headers["x-ratelimit-limit"], response.headers["x-ratelimit-remaining"]) == ("3", "2")
        assert 1 <= int(response.headers["x-ratelimit-reset"]) <= 60
        assert failed.headers["x-ratelimit-remaining"] == "1"

    async def test_429_has_retry_after(self, asgi_client: AsgiClient) -> None:
        await statuses(asgi_client, f"{PUBLIC}/one", 3)
        refused = await asgi_client.get(f"{PUBLIC}/one")

        assert (refused.status, refused.code) == (429, "TOO_MANY_REQUESTS")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["x-ratelimit-remaining"] == "0"

    async def test_unlimited_routes_have_no_rate_limit_headers(self, asgi_client: AsgiClient) -> None:
        assert set(await statuses(asgi_client, "/health", 20)) == {200}
        assert set(await statuses(asgi_client, f"{PUBLIC}/free", 20)) == {200}
        assert "x-ratelimit-limit" not in (await asgi_client.get("/health")).headers

    async def test_405_and_404_are_not_counted(self, asgi_client: AsgiClient) -> None:
        for _ in range(10):
            await asgi_client("PUT", f"{PUBLIC}/one")
            await asgi_client.get(f"{PUBLIC}/nowhere")

        assert (await asgi_client.get(f"{PUBLIC}/one")).headers["x-ratelimit-remaining"] == "2"


class TestOverride:
    async def test_own_rate_is_counted_separately_from_the_surface(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, f"{PUBLIC}/own", 6) == [200] * 5 + [429]
        assert (await asgi_client.get(f"{PUBLIC}/one")).headers["x-ratelimit-remaining"] == "2"

    async def test_named_rate_is_applied(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, f"{PUBLIC}/named", 2) == [200, 429]

    async def test_sign_in_is_limited_by_its_setting(self, asgi_client: AsgiClient) -> None:
        assert [(await asgi_client.post("/api/v1/auth/login")).status for _ in range(3)] == [401, 401, 429]


LOGIN, PAGE = "/api/v1/auth/login", "/sign-in"


class TestSignIn:
    async def test_routes_with_the_same_named_rate_share_a_count(self, asgi_client: AsgiClient) -> None:
        assert [(await asgi_client.post(path)).status for path in (LOGIN, PAGE, LOGIN, PAGE)] == [401, 401, 429, 429]
        assert (await asgi_client.post("/api/v1/auth/forgot")).status == 200

    async def test_valid_token_gives_no_additional_sign_in_attempts(self, asgi_client: AsgiClient) -> None:
        tokens = [bearer("ann"), bearer("bob"), bearer("carl"), []]
        assert [(await asgi_client.post(LOGIN, headers=token)).status for token in tokens] == [401, 401, 429, 429]
        assert (await asgi_client.get(MINE, headers=bearer("ann"))).status == 200

    async def test_known_devices_are_counted_separately_from_their_address(self, asgi_client: AsgiClient) -> None:
        for _ in range(3):
            await asgi_client.post(LOGIN)
        device = [("cookie", "device=ann")]
        assert (await asgi_client.post(LOGIN, headers=[("cookie", "device=bob")])).status == 401
        elsewhere = [
            (await asgi_client.post(LOGIN, headers=device, client=(f"192.0.2.{n}", 1))).status for n in (10, 11, 12)
        ]
        assert elsewhere == [401, 401, 429]


class TestCountingKey:
    async def test_clients_are_counted_by_address(self, asgi_client: AsgiClient) -> None:
        await statuses(asgi_client, f"{PUBLIC}/one", 3)

        assert (await asgi_client.get(f"{PUBLIC}/one", client=("192.0.2.11", 1))).status == 200
        assert (await asgi_client.get(f"{PUBLIC}/one", client=("::ffff:192.0.2.10", 1))).status == 429

    async def test_ipv6_clients_are_counted_by_network(self, asgi_client: AsgiClient) -> None:
        counted = [await asgi_client.get(f"{PUBLIC}/one", client=(f"2001:db8::{n:x}", 1)) for n in range(1, 5)]

        assert [response.status for response in counted] == [200, 200, 200, 429]
        assert (await asgi_client.get(f"{PUBLIC}/one", client=("2001:db8:0:1::1", 1))).status == 200

    async def test_users_are_counted_across_addresses(self, asgi_client: AsgiClient) -> None:
        for n in range(3):
            await asgi_client.get(MINE, headers=bearer("ann"), client=(f"192.0.2.{n}", 1))

        assert (await asgi_client.get(MINE, headers=bearer("ann"), client=("192.0.2.99", 1))).status == 429
        assert (await asgi_client.get(MINE, headers=bearer("bob"), client=("192.0.2.99", 1))).status == 200

    async def test_invalid_tokens_are_counted_by_address(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, MINE, 4, headers=bearer("forged")) == [401, 401, 401, 429]
        assert (await asgi_client.get(MINE)).status == 429

    async def test_failed_authentications_are_counted_by_address(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, MINE, 3, headers=bearer("revoked")) == [401, 401, 401]
        assert (await asgi_client.get(MINE)).status == 429
        assert (await asgi_client.get(MINE, headers=bearer("ann"))).status == 200

    async def test_clients_without_an_address_share_a_count(self, asgi_client: AsgiClient) -> None:
        assert await statuses(asgi_client, f"{PUBLIC}/one", 4, client=None) == [200, 200, 200, 429]


class TestScale:
    async def test_limits_are_scaled_by_100_in_tests_and_development(self, build: Build) -> None:
        asgi_client = build(public, settings=(HttpSettings(rate_limit_public="3/minute"),))

        assert (await asgi_client.get(f"{PUBLIC}/one")).headers["x-ratelimit-limit"] == "300"


class TestLimiter:
    async def test_module_can_count_its_own_keys(self, asgi_client: AsgiClient) -> None:
        limiter = asgi_client.app.context.get(Limiter)

        assert (await limiter.hit("account:1", Rate(1, 60))).allowed
        refused = await limiter.hit("account:1", Rate(1, 60))
        assert not refused.allowed
        assert (await limiter.hit("account:1", "sign_in")).limit == 2

    async def test_require_raises_when_the_rate_is_exceeded(self, asgi_client: AsgiClient) -> None:
        limiter = asgi_client.app.context.get(Limiter)
        await limiter.require("account:2", "1/minute")

        with pytest.raises(Exception, match="Too many requests"):
            await limiter.require("account:2", "1/minute")


class TestShared:
    async def test_two_processes_share_counts_in_redis(self, build: Build, redis_url: str) -> None:
        from pydantic import SecretStr

        from undercroft.core.cache import Cache, RedisSettings

        caches = [Cache(RedisSettings(redis_url=SecretStr(redis_url))) for _ in range(2)]
        clients = [build(public, settings=(FEW,), cache=cache) for cache in caches]
        responses = [(await clients[n % 2].get(f"{PUBLIC}/one")).status for n in range(6)]
        for cache in caches:
            await cache.close()

        assert responses.count(200) == 3

    async def test_requests_are_not_limited_while_redis_is_down(self, build: Build) -> None:
        from pydantic import SecretStr

        from undercroft.core.cache import Cache, RedisSettings

        cache = Cache(RedisSettings(redis_url=SecretStr("redis://127.0.0.1:1")))
        asgi_client = build(public, settings=(FEW,), cache=cache)

        assert set(await statuses(asgi_client, f"{PUBLIC}/one", 10)) == {200}
        headers = (await asgi_client.get(f"{PUBLIC}/one")).headers
        assert (headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"]) == ("3", "60")
        await cache.close()


def test_name_of_a_rate_is_declared_once() -> None:
    with pytest.raises(ValueError, match="The rate limit expensive is declared twice"):
        RateLimits([("expensive", lambda: "1/hour"), ("expensive", lambda: "2/hour")])
    with pytest.raises(ValueError, match="The rate limit sign_in is declared twice"):
        RateLimits([("sign_in", lambda: "1000000/second")])
    assert set(RateLimits([("expensive", lambda: "1/hour")]).by_name) == {*CORE_RATES, "expensive"}


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


async def test_mounted_application_is_limited_but_mounted_files_are_not(build: Build, tmp_path: Path) -> None:
    (tmp_path / "logo.txt").write_text("logo")
    asgi_client = build(public, settings=(FEW,))
    reads = Exempt("It only reads.")
    asgi_client.app.router.routes += [
        declare(Mount("/api/v1/public/mounted", ok), audit=reads),
        declare(Mount("/api/v1/public/files", StaticFiles(directory=tmp_path)), audit=reads),
    ]
    asgi_client.app.add([])

    assert await statuses(asgi_client, "/api/v1/public/mounted/x", 5) == [200] * 3 + [429] * 2
    assert await statuses(asgi_client, "/api/v1/public/files/logo.txt", 5) == [200] * 5
    assert await statuses(asgi_client, f"{PUBLIC}/one", 1) == [429]


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/api/v1/app/rooms", "app"),
        ("/api/v1/public/rooms", "public"),
        ("/api/v1/elsewhere/rooms", "public"),
        ("/api/v1", "public"),
        ("/pages/of/app/rooms", "public"),
        ("/", "public"),
    ],
)
def test_rate_of_a_route_is_that_of_the_surface_in_its_path(asgi_client: AsgiClient, path: str, group: str) -> None:
    with use_context(asgi_client.app.context):
        rule = get_rate_limit_rule(declare(Route(path, ok), audit=Exempt("It only reads.")))
    assert rule == RateLimitRule(group, Rate(3, 60))


async def test_refused_requests_are_counted_by_group(asgi_client: AsgiClient) -> None:
    def count(group: str) -> float:
        return REGISTRY.get_sample_value("http_rate_limited_total", {"limit": group}) or 0

    before, other = count("public"), count("app")
    assert await statuses(asgi_client, f"{PUBLIC}/one", 5) == [200] * 3 + [429] * 2
    assert (count("public") - before, count("app") - other) == (2, 0)
