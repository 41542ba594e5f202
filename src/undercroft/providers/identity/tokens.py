"""Verification of JWTs of external issuers (RFC 7519, RFC 8725): issuer, audience, times, algorithm and key."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from jwt import InvalidSignatureError, InvalidTokenError, PyJWS
from msgspec import Struct

from undercroft.core.lru_cache import LruCache
from undercroft.providers.identity.errors import BadSigner, BadToken, ExpiredToken
from undercroft.providers.identity.jwks import ALGORITHMS, Jwks, PublicKey
from undercroft.providers.identity.profile import to_datetime

TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
CLOCK_TOLERANCE = 5
MAX_TOKEN_LENGTH = 16_384
MAX_LIFETIME = 86_400
"""Maximum lifetime of an external token in seconds: the longest that any supported issuer uses."""
SUBJECT_LENGTH = 255
HEADER_LENGTH = 2000


class Claims(msgspec.Struct, frozen=True):
    """The claims of a token that this application uses. Times are Unix seconds."""

    iss: str
    sub: str
    exp: float
    iat: float = 0
    nbf: float = 0
    aud: str | list[str] | None = None
    azp: str | None = None
    nonce: str | None = None
    sid: str | None = None
    session_id: str | None = None
    tid: str | None = None
    email: str | None = None
    email_verified: bool | str | None = None
    xms_edov: bool | str | int | None = None
    name: str | None = None
    user_metadata: dict[str, Any] | None = None
    auth_time: float | None = None
    sts: Any = None
    act: Any = None
    amr: list[Any] | None = None
    aal: str | None = None
    fva: list[int] | None = None

    @property
    def audiences(self) -> set[str]:
        return {self.aud} if isinstance(self.aud, str) else set(self.aud or ())

    @property
    def session(self) -> str | None:
        """ID of the session at the issuer, from the claims that Clerk and Supabase use."""
        return self.sid or self.session_id

    @property
    def actor(self) -> tuple[str, str] | None:
        """Issuer and subject of the actor who impersonates the user (RFC 8693, section 4.1); None without an actor."""
        if not isinstance(self.act, dict):
            return None
        issuer, subject = self.act.get("iss", self.iss), self.act.get("sub")
        return (
            (issuer, subject)
            if isinstance(issuer, str) and isinstance(subject, str) and is_valid_subject(subject)
            else None
        )

    @property
    def has_verified_email(self) -> bool:
        """Whether the issuer has verified the address. Some issuers write the boolean as a string."""
        return self.email_verified in (True, "true")

    @property
    def authenticated_at(self) -> datetime | None:
        """Time of the last authentication, from `auth_time`, Supabase's `amr`, or Clerk's `fva` (in minutes)."""
        times = [each["timestamp"] for each in self.amr or () if isinstance(each, dict) and "timestamp" in each]
        if self.fva and self.fva[0] >= 0:
            times.append(self.iat - 60 * self.fva[0])
        try:
            return to_datetime(self.auth_time if self.auth_time is not None else max(times, default=None))
        except TypeError:
            return None

    @property
    def passed_mfa(self) -> bool:
        """Whether the issuer verified a second factor (RFC 8176; Supabase's `aal`, Clerk's `fva`)."""
        seen = self.fva is not None and len(self.fva) > 1 and self.fva[1] >= 0
        return seen or self.aal == "aal2" or "mfa" in (self.amr or ())


class _Header(msgspec.Struct):
    alg: str
    kid: str = ""
    typ: str | None = None
    crit: list[str] | None = None


class TokenRules(Struct, frozen=True):
    """Conditions that valid claims meet.

    `issuer` returns the issuer that the claims must contain. An empty `audiences` or `authorized_parties` disables that
    check; a missing `azp` is always allowed. `secret` verifies HS256; without it, HS256 is rejected. `accepts` is an
    additional check by the provider.
    """

    issuer: Callable[[Claims], str]
    audiences: frozenset[str] = frozenset()
    authorized_parties: frozenset[str] = frozenset()
    secret: bytes | None = None
    accepts: Callable[[Claims], bool] = lambda _claims: True


class TokenVerifier:
    """Verifies tokens. Verified tokens are cached until they expire; the least recently used are evicted first."""

    def __init__(self, rules: TokenRules, jwks: Jwks, *, cache_size: int = 10_000) -> None:
        self._rules = rules
        self.jwks = jwks
        self._verified: LruCache[str, Claims] = LruCache(cache_size)
        self._jws = PyJWS(algorithms=[*ALGORITHMS, "HS256"])
        self._decode_header = msgspec.json.Decoder(_Header).decode
        self._decode_claims = msgspec.json.Decoder(Claims).decode

    async def verify(self, token: str) -> Claims:
        """Verify a token and return its claims.

        Raises `BadToken`, `ExpiredToken`, and `IdentityProviderUnavailable` for an unknown key while the issuer is
        unreachable.
        """
        self.jwks.refresh()
        claims = self.get_cached(token)
        if claims is not None:
            return claims
        header = self._header(token)
        key = self._find_key(header) or await self.jwks.get_key(header.kid, header.alg)
        try:
            return self._check(token, header, key)
        except BadSigner:
            if header.kid or key is None or isinstance(key, bytes):
                raise
            return self._check(token, header, await self.jwks.get_replacement(key, header.alg))

    def verify_offline(self, token: str) -> Claims | None:
        """Return the claims of a token with cached keys only, without I/O; None if it is invalid."""
        try:
            claims = self.get_cached(token)
            if claims is not None:
                return claims
            header = self._header(token)
            return self._check(token, header, self._find_key(header))
        except BadToken:
            return None

    def get_cached(self, token: str) -> Claims | None:
        """Return the claims of a token that was verified before. Raises `ExpiredToken`."""
        claims = self._verified.find(token)
        if claims is None:
            return None
        if claims.exp <= time.time():
            del self._verified[token]
            raise ExpiredToken
        return claims

    def clear_cache(self) -> None:
        """Forget verified tokens, because a key was revoked."""
        self._verified.clear()

    def _header(self, token: str) -> _Header:
        encoded = token.partition(".")[0]
        if len(token) > MAX_TOKEN_LENGTH or len(encoded) > HEADER_LENGTH:
            raise BadToken
        try:
            header = self._decode_header(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except (ValueError, msgspec.MsgspecError):
            raise BadToken from None
        is_allowed = header.alg in ALGORITHMS or (header.alg == "HS256" and self._rules.secret is not None)
        if not is_allowed or header.crit is not None:
            raise BadToken
        if (header.typ and header.typ.lower()) not in TYPES:
            raise BadToken
        return header

    def _find_key(self, header: _Header) -> PublicKey | bytes | None:
        if header.alg == "HS256":
            return self._rules.secret
        return self.jwks.get_cached_key(header.kid, header.alg)

    def _check(self, token: str, header: _Header, key: PublicKey | bytes | None) -> Claims:
        if key is None:
            raise BadToken
        try:
            claims = self._decode_claims(self._jws.decode(token, key, algorithms=[header.alg]))
        except InvalidSignatureError:
            raise BadSigner from None
        except (InvalidTokenError, msgspec.MsgspecError, ValueError, TypeError):
            raise BadToken from None
        self._check_claims(claims)
        self._verified[token] = claims
        return claims

    def _check_claims(self, claims: Claims) -> None:
        rules, now = self._rules, time.time()
        if claims.iss != rules.issuer(claims) or not is_valid_subject(claims.sub):
            raise BadToken
        if rules.audiences and not claims.audiences & rules.audiences:
            raise BadToken
        if rules.authorized_parties and claims.azp is not None and claims.azp not in rules.authorized_parties:
            raise BadToken
        if max(claims.nbf, claims.iat) > now + CLOCK_TOLERANCE:
            raise BadToken
        if (claims.act is not None and claims.actor is None) or not rules.accepts(claims):
            raise BadToken
        if claims.exp - (claims.iat or now) > MAX_LIFETIME:
            raise BadToken
        if claims.exp <= now:
            raise ExpiredToken


def is_valid_subject(value: str) -> bool:
    """Return whether the value is a possible subject: 1 to 255 printable characters."""
    return 0 < len(value) <= SUBJECT_LENGTH and value.isprintable()
