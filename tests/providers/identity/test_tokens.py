"""The cache of verified tokens."""

import time

import jwt

from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.tokens import TokenRules, TokenVerifier

SECRET = bytes(range(32))
ISSUER = "https://issuer.example"


async def jwks_uri() -> str:
    raise AssertionError("tokens with a shared secret need no keys")


def make_verifier(*, cache_size: int) -> TokenVerifier:
    rules = TokenRules(lambda _claims: ISSUER, secret=SECRET)
    return TokenVerifier(rules, Jwks(jwks_uri, HttpClient(timeout=1)), cache_size=cache_size)


def make_token(subject: str) -> str:
    now = int(time.time())
    return jwt.encode({"iss": ISSUER, "sub": subject, "iat": now, "exp": now + 60}, SECRET, algorithm="HS256")


async def test_cache_evicts_the_least_recently_used_token() -> None:
    verifier = make_verifier(cache_size=2)
    used, unused, newest = (make_token(each) for each in ("used", "unused", "newest"))
    cached = {token: await verifier.verify(token) for token in (used, unused)}
    assert verifier.get_cached(used) is cached[used]
    cached[newest] = await verifier.verify(newest)

    assert verifier.get_cached(used) is cached[used]
    assert verifier.get_cached(newest) is cached[newest]
    assert verifier.get_cached(unused) is None
    assert verifier.verify_offline(unused) == cached[unused]


async def test_cleared_cache_has_no_tokens() -> None:
    verifier, token = make_verifier(cache_size=2), make_token("ada")
    await verifier.verify(token)
    verifier.clear_cache()

    assert verifier.get_cached(token) is None
