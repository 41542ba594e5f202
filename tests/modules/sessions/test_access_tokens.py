"""Verification of access tokens."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete
from sqlmodel import col

from tests.modules.auth.users import RegisteredUser
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.modules.sessions import SessionServices
from undercroft.modules.sessions.errors import InvalidToken, TokenExpired
from undercroft.modules.sessions.models import SigningKey
from undercroft.modules.sessions.service.access_tokens import CLOCK_TOLERANCE, MAX_TOKEN_LENGTH, AccessTokens
from undercroft.modules.sessions.service.signing_keys import ActiveKey
from undercroft.testing.statements import StatementRecorder

Forge = Callable[..., str]
STRANGER = rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def key(session_services: SessionServices) -> ActiveKey:
    return await session_services.keys.active()


@pytest.fixture
def forge(key: ActiveKey) -> Forge:
    """Create a token that is valid except for the given changes."""

    def make(*, signed_by: Any = None, algorithm: str = "RS256", header: Any = None, **claims: Any) -> str:
        now = int(time.time())
        valid = {
            "iss": "http://test.local",
            "aud": "undercroft",
            "sub": str(new_id()),
            "sid": str(new_id()),
            "iat": now,
            "nbf": now,
            "exp": now + 60,
            "jti": "1",
        }
        payload = {name: value for name, value in {**valid, **claims}.items() if value is not None}
        headers = {"typ": "at+jwt", "kid": key.kid, **(header or {})}
        return jwt.encode(payload, signed_by or key.private, algorithm=algorithm, headers=headers)

    return make


async def test_issued_token_has_the_headers_and_claims_of_rfc_9068(
    session_services: SessionServices, key: ActiveKey
) -> None:
    user_id, session_id = new_id(), new_id()
    issued = await session_services.tokens.issue(user_id, session_id)
    assert jwt.get_unverified_header(issued.token) == {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}
    options = {"require": ["iss", "aud", "sub", "iat", "exp", "jti"]}
    claims = jwt.decode(
        issued.token, key.private.public_key(), algorithms=["RS256"], audience="undercroft", options=options
    )
    assert (claims["iss"], claims["sub"], claims["sid"]) == ("http://test.local", str(user_id), str(session_id))
    assert claims["exp"] - claims["iat"] == issued.expires_in == 900
    assert (await session_services.tokens.verify(issued.token)).sub == user_id


async def test_token_with_valid_claims_and_signature_is_accepted(
    session_services: SessionServices, forge: Forge
) -> None:
    assert await session_services.tokens.verify(forge())


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["undercroft", "another"]},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"sid": None},
        {"jti": None},
        {"exp": None},
        {"sub": "not an id"},
        {"padding": "a" * MAX_TOKEN_LENGTH},
        {"exp": "tomorrow"},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"kid": "unknown"}},
        {"header": {"crit": ["exp"], "exp": 1}},
        {"signed_by": STRANGER},
        {"signed_by": STRANGER, "header": {"jwk": {"kty": "RSA"}, "jku": "https://evil.example/jwks.json"}},
        {"algorithm": "RS512"},
        {"algorithm": "PS256"},
        {"algorithm": "ES256", "signed_by": ec.generate_private_key(ec.SECP256R1())},
        {"algorithm": "HS256", "signed_by": "secret" * 8},
    ],
)
async def test_token_with_an_invalid_claim_header_or_signature_is_rejected(
    session_services: SessionServices, forge: Forge, wrong: dict[str, Any]
) -> None:
    token = forge(**wrong)
    with pytest.raises(InvalidToken):
        await session_services.tokens.verify(token)
    assert session_services.tokens.verify_offline(token) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"kid": ["a", "list"]},
        {"kid": None},
        {"kid": "../../etc/passwd"},
        [],
    ],
)
async def test_token_with_a_malformed_header_is_rejected(
    session_services: SessionServices, key: ActiveKey, forge: Forge, header: Any
) -> None:
    valid = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
    encoded_header = json.dumps({**valid, **header} if header else header).encode()
    _, payload, signature = forge().split(".")
    for end in (signature, ""):
        with pytest.raises(InvalidToken):
            await session_services.tokens.verify(f"{encode(encoded_header)}.{payload}.{end}")


async def test_token_signed_with_the_public_key_as_hmac_secret_is_rejected(
    session_services: SessionServices, key: ActiveKey, forge: Forge
) -> None:
    import hashlib
    import hmac

    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "at+jwt", "kid": key.kid}
    signed = f"{encode(json.dumps(header).encode())}.{forge().split('.')[1]}"
    token = f"{signed}.{encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"
    with pytest.raises(InvalidToken):
        await session_services.tokens.verify(token)


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_modified_token_is_rejected(session_services: SessionServices, forge: Forge) -> None:
    token = forge()
    header, payload, signature = token.split(".")
    other = "A" if payload[10] != "A" else "B"
    for changed in (f"{header}.{payload[:10]}{other}{payload[11:]}.{signature}", f"{header}.{payload}.", f"{token}.x"):
        with pytest.raises(InvalidToken):
            await session_services.tokens.verify(changed)


async def test_cached_token_expires(session_services: SessionServices, forge: Forge) -> None:
    now = [time.time()]
    tokens = AccessTokens(session_services.keys, clock=lambda: now[0])
    token = forge()
    assert await tokens.verify(token)
    now[0] += 61
    for _ in range(2):
        with pytest.raises(TokenExpired):
            await tokens.verify(token)
    with pytest.raises(TokenExpired):
        await tokens.verify(forge(exp=int(time.time()) - 1))


async def test_token_from_the_near_future_is_accepted_within_the_clock_tolerance(
    session_services: SessionServices, forge: Forge
) -> None:
    soon = int(time.time()) + CLOCK_TOLERANCE - 1
    assert await session_services.tokens.verify(forge(nbf=soon, iat=soon))


async def test_cache_evicts_the_least_recently_used_token(session_services: SessionServices, forge: Forge) -> None:
    tokens = AccessTokens(session_services.keys, cache_size=2)
    used, unused, newest = (forge(jti=each) for each in ("used", "unused", "newest"))
    cached = {token: await tokens.verify(token) for token in (used, unused)}
    assert await tokens.verify(used) is cached[used]
    cached[newest] = await tokens.verify(newest)

    assert tokens.verify_offline(used) is cached[used]
    assert tokens.verify_offline(newest) is cached[newest]
    assert tokens.verify_offline(unused) is not cached[unused]


async def test_verified_subject_runs_no_statement(
    ada: RegisteredUser, session_services: SessionServices, statements: StatementRecorder
) -> None:
    from starlette.requests import Request

    def make_request(token: str) -> Request:
        headers = {b"authorization": f"Bearer {token}".encode()}
        return Request({"type": "http", "headers": list(headers.items()), "state": {"request_headers": headers}})

    await statements.clear()
    me = (await session_services.tokens.verify(ada.access_token)).sub
    assert session_services.authenticator.verified_subject(make_request(ada.access_token)) == str(me)
    assert statements.count == 0
    assert session_services.authenticator.verified_subject(make_request("x.y.z")) is None


async def test_many_unknown_key_ids_cause_at_most_one_reload(
    ada: RegisteredUser,
    session_services: SessionServices,
    forge: Forge,
    database: Database,
    statements: StatementRecorder,
) -> None:
    session_services.keys._reloaded_at = float("-inf")
    for number in range(30):
        with pytest.raises(InvalidToken):
            await session_services.tokens.verify(forge(header={"kid": f"kid-{number}"}))
    assert statements.count <= 1


@pytest.mark.parametrize(("lifetime", "act", "allowed"), [(900, False, True), (901, False, False), (3601, True, False)])
async def test_token_with_a_longer_lifetime_than_configured_is_rejected(
    session_services: SessionServices, forge: Forge, lifetime: int, act: bool, allowed: bool
) -> None:
    now = int(time.time())
    token = forge(iat=now, exp=now + lifetime, act={"sub": str(new_id())} if act else None)
    if allowed:
        assert await session_services.tokens.verify(token)
    else:
        with pytest.raises(InvalidToken):
            await session_services.tokens.verify(token)


async def test_cached_token_is_rejected_after_its_signing_key_is_withdrawn(
    session_services: SessionServices, key: ActiveKey, forge: Forge
) -> None:
    token = forge()
    assert await session_services.tokens.verify(token)
    assert session_services.tokens.verify_offline(token)
    async with session_services.database.session() as session:
        await session.execute(delete(SigningKey).where(col(SigningKey.kid) == key.kid))
    await session_services.keys.load()
    with pytest.raises(InvalidToken):
        await session_services.tokens.verify(token)
    assert session_services.tokens.verify_offline(token) is None
