"""Access tokens: JWTs (RFC 7519) of the type `at+jwt` (RFC 9068), signed with RS256."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec import Struct

from undercroft.core.ids import new_id
from undercroft.core.lru_cache import LruCache
from undercroft.core.settings import load
from undercroft.modules.sessions.errors import InvalidToken, TokenExpired
from undercroft.modules.sessions.service.signing_keys import SigningKeyService
from undercroft.modules.sessions.settings import SessionSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHM = "RS256"
TYPE = "at+jwt"
CLOCK_TOLERANCE = 5
MAX_IMPERSONATION_SECONDS = 3600
"""The maximum of IMPERSONATION_MINUTES, in seconds."""
MAX_TOKEN_LENGTH = 4096


class ActorClaim(msgspec.Struct, frozen=True):
    """The actor who impersonates the subject (RFC 8693, 4.1)."""

    sub: UUID


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a token; `sid` is the session that it was issued for. Times are Unix seconds.

    `ext` are the claims that hooks add.
    """

    iss: str
    aud: str
    sub: UUID
    sid: UUID
    iat: int
    exp: int
    jti: str
    nbf: int = 0
    act: ActorClaim | None = None
    ext: dict[str, Any] = {}


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str
    crit: list[str] | None = None


class IssuedToken(Struct, frozen=True):
    token: str
    expires_in: int


class AccessTokens:
    """Issues and verifies access tokens.

    Verified tokens are cached (LRU) until they expire or their signing key is withdrawn. A token with a longer lifetime
    than the configured one is invalid. Revocation is checked elsewhere: the statement that finds the principal checks
    the session.
    """

    def __init__(
        self, keys: SigningKeyService, *, cache_size: int = 10_000, clock: Callable[[], float] = time.time
    ) -> None:
        from jwt import PyJWS

        settings = load(SessionSettings)
        self._keys = keys
        self._issuer = settings.issuer
        self._audience = settings.access_token_audience
        self._lifetime = int(settings.access_token_lifetime.total_seconds())
        self._clock = clock
        self._verified: LruCache[str, tuple[Claims, str]] = LruCache(cache_size)
        self._jws = PyJWS(algorithms=[ALGORITHM])
        self._decode_header = msgspec.json.Decoder(_Header).decode
        self._decode_claims = msgspec.json.Decoder(Claims).decode

    async def issue(
        self,
        user_id: UUID,
        session_id: UUID,
        *,
        impersonator_id: UUID | None = None,
        lifetime: int | None = None,
        ext: Mapping[str, Any] | None = None,
    ) -> IssuedToken:
        """Issue a token for a session, signed with the active key; `lifetime` is in seconds.

        `ext` are the claims of `decide_claims`.
        """
        key, now, lifetime = await self._keys.active(), int(self._clock()), lifetime or self._lifetime
        act = ActorClaim(impersonator_id) if impersonator_id else None
        claims = Claims(
            self._issuer,
            self._audience,
            user_id,
            session_id,
            now,
            now + lifetime,
            new_id().hex,
            now,
            act,
            dict(ext or {}),
        )
        headers = {"kid": key.kid, "typ": TYPE}
        token = self._jws.encode(msgspec.json.encode(claims), key.private, algorithm=ALGORITHM, headers=headers)
        return IssuedToken(token, lifetime)

    async def verify(self, token: str) -> Claims:
        """Verify a token and return its claims. Raises `InvalidToken`, or `TokenExpired` for one that was valid."""
        claims = self._cached(token)
        if claims is not None:
            return claims
        kid = self._key_id(token)
        return self._check(token, kid, self._keys.public(kid) or await self._keys.get_key(kid))

    def verify_offline(self, token: str) -> Claims | None:
        """Verify a token with the cached keys and without I/O; None if it is invalid."""
        try:
            claims = self._cached(token)
            if claims is not None:
                return claims
            kid = self._key_id(token)
            return self._check(token, kid, self._keys.public(kid))
        except (InvalidToken, TokenExpired):
            return None

    def _cached(self, token: str) -> Claims | None:
        found = self._verified.find(token)
        if found is None:
            return None
        claims, kid = found
        if self._keys.public(kid) is None:
            del self._verified[token]
            return None
        if claims.exp <= self._clock():
            del self._verified[token]
            raise TokenExpired
        return claims

    def _key_id(self, token: str) -> str:
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken
        encoded = token.partition(".")[0]
        try:
            header = self._decode_header(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except (ValueError, msgspec.MsgspecError):
            raise InvalidToken from None
        if header.alg != ALGORITHM or header.typ != TYPE or header.crit is not None:
            raise InvalidToken
        return header.kid

    def _check(self, token: str, kid: str, key: "RSAPublicKey | None") -> Claims:
        from jwt import InvalidTokenError

        if key is None:
            raise InvalidToken
        try:
            claims = self._decode_claims(self._jws.decode(token, key, algorithms=[ALGORITHM]))
        except (InvalidTokenError, msgspec.MsgspecError, ValueError):
            raise InvalidToken from None
        now = self._clock()
        if claims.iss != self._issuer or claims.aud != self._audience:
            raise InvalidToken
        if max(claims.nbf, claims.iat) > now + CLOCK_TOLERANCE:
            raise InvalidToken
        if claims.exp - claims.iat > (MAX_IMPERSONATION_SECONDS if claims.act else self._lifetime):
            raise InvalidToken
        if claims.exp <= now:
            raise TokenExpired
        self._verified[token] = claims, kid
        return claims
