"""Requests to a misbehaving identity provider, and cached documents."""

import asyncio

import pytest
from jwt.algorithms import get_default_algorithms
from pydantic import SecretStr

from undercroft.core import settings
from undercroft.devstack.emulators.oidc import Failure, OidcIssuer
from undercroft.providers.http_client import HttpClient, HttpClientError
from undercroft.providers.identity.cached_document import CachedDocument
from undercroft.providers.identity.errors import IdentityProviderUnavailable
from undercroft.providers.identity.jwks import Jwks, parse_keys

JWKS = "/.well-known/jwks.json"
FAILURES = [Failure.JWKS_DOWN, Failure.JWKS_SLOW, Failure.JWKS_HUGE, Failure.JWKS_WRONG, Failure.JWKS_REDIRECT]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("error", FAILURES)
async def test_unusable_response_raises(test_settings: None, oidc_issuer: OidcIssuer, error: Failure) -> None:
    http_client = HttpClient(timeout=3 if error is Failure.JWKS_HUGE else 0.5)
    await http_client.get_json(f"{oidc_issuer.url}{JWKS}")
    oidc_issuer.set_failures(error)
    with pytest.raises(HttpClientError):
        await http_client.get_json(f"{oidc_issuer.url}{JWKS}")
    await http_client.close()


INVALID_URLS = ["http://127.0.0.1:1/", "ftp://example.com/", "file:///etc/passwd", "https:///x", "http://[", ""]


@pytest.mark.parametrize("url", INVALID_URLS)
async def test_invalid_url_raises(test_settings: None, url: str) -> None:
    with pytest.raises(HttpClientError):
        await HttpClient(timeout=0.5).get(url)


@pytest.mark.parametrize("token", ["a secret\r\n", "a secret\ud800"])
async def test_invalid_header_value_is_neither_sent_nor_reported(
    test_settings: None, oidc_issuer: OidcIssuer, token: str
) -> None:
    with pytest.raises(HttpClientError) as refused:
        await HttpClient().get(f"{oidc_issuer.url}{JWKS}", headers={"Authorization": f"Bearer {token}"})
    assert "secret" not in str(refused.value)
    assert oidc_issuer.traffic.hits[JWKS] == 0


async def test_production_allows_only_https(test_settings: None, oidc_issuer: OidcIssuer) -> None:
    settings.use(settings.CoreSettings(environment="production", secret_key=SecretStr("x")))
    with pytest.raises(HttpClientError, match="HTTPS"):
        await HttpClient().get(f"{oidc_issuer.url}{JWKS}")
    assert oidc_issuer.traffic.hits[JWKS] == 0


async def test_old_document_is_refetched_in_the_background(oidc_issuer: OidcIssuer, test_settings: None) -> None:
    clock, http_client = Clock(), HttpClient()
    document = CachedDocument(
        "test", lambda: http_client.get_json(f"{oidc_issuer.url}{JWKS}"), max_age=600, clock=clock
    )
    await document.get()
    clock.now += 601
    oidc_issuer.set_failures(Failure.JWKS_DOWN)

    for _ in range(5):
        assert (await document.get())["keys"]
    await document._wait_for_fetch()

    assert document.failed
    assert oidc_issuer.traffic.hits[JWKS] == 2
    await http_client.close()


async def test_document_is_refetched_after_the_minimum_interval(oidc_issuer: OidcIssuer, test_settings: None) -> None:
    clock, http_client = Clock(), HttpClient()

    async def address() -> str:
        return f"{oidc_issuer.url}{JWKS}"

    jwks = Jwks(address, http_client)
    jwks.document._clock = clock
    oidc_issuer.set_failures(Failure.JWKS_DOWN)
    for _ in range(3):
        with pytest.raises(IdentityProviderUnavailable) as refused:
            await jwks.get_key("x", "RS256")
        assert refused.value.headers["Retry-After"] == "10"
    oidc_issuer.set_failures()
    clock.now += 10
    key = oidc_issuer.keys.current["ES256"]

    found = await asyncio.gather(*(jwks.get_key(key.kid, "ES256") for _ in range(20)))

    assert all(each is not None for each in found)
    assert (oidc_issuer.traffic.hits[JWKS], oidc_issuer.traffic.max_concurrent[JWKS]) == (2, 1)
    assert await jwks.get_key(key.kid, "RS256") is None
    await http_client.close()


STRANGE = [
    {},
    {"keys": None},
    {"keys": {}},
    {"keys": [None, 1, "x", [], {}]},
    {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]},
    {"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]},
    {"keys": [{"kty": "RSA", "kid": "a", "n": "x" * 5000, "e": "AQAB"}]},
    {"keys": [{"kty": "RSA", "kid": "a", "n": 7, "e": "AQAB"}]},
    {"keys": [{"kty": "RSA", "kid": "a"}]},
    {"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": "AA", "y": "AA"}]},
    {"keys": [{"kty": "EC", "crv": "P-521", "kid": "a", "x": "AA", "y": "AA"}]},
    {"keys": [{"kty": "EC", "crv": "secp256k1", "kid": "a", "x": "AA" * 21 + "A", "y": "AA" * 21 + "A"}]},
    {"keys": [{"kty": "OKP", "crv": "X25519", "kid": "a", "x": "AA" * 21 + "A"}]},
    {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA"}]},
    {"keys": [{}] * 101},
]


@pytest.mark.parametrize("content", STRANGE, ids=lambda content: str(content)[:60])
def test_unusable_keys_are_ignored(content: dict[str, object]) -> None:
    assert parse_keys(content) == {}


def test_keys_for_other_uses_are_ignored(oidc_issuer: OidcIssuer) -> None:
    rsa = oidc_issuer.keys.current["RS256"].jwk
    assert parse_keys({"keys": [rsa | {"use": "enc"}]}) == {}
    assert parse_keys({"keys": [rsa | {"alg": "RSA-OAEP-256"}]}) == {}
    assert parse_keys({"keys": [rsa | {"alg": "ES256"}]}) == {}


def test_private_keys_are_ignored(oidc_issuer: OidcIssuer) -> None:
    private = get_default_algorithms()["EdDSA"].to_jwk(oidc_issuer.keys.current["EdDSA"].private, as_dict=True)
    assert parse_keys({"keys": [private]}) == {}


@pytest.mark.parametrize(("name", "others"), [("RS256", {"PS256", "RS512"}), ("ES384", set()), ("EdDSA", set())])
def test_key_is_used_with_its_algorithm_or_if_it_names_none_with_all_of_its_type(
    oidc_issuer: OidcIssuer, name: str, others: set[str]
) -> None:
    jwk = oidc_issuer.keys.current[name].jwk
    assert {alg for _, alg in parse_keys({"keys": [jwk]})} == {name}
    del jwk["alg"]
    assert {alg for _, alg in parse_keys({"keys": [jwk]})} >= {name, *others}
