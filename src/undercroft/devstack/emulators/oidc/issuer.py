"""The state of the issuer: users, clients, keys, authorization codes and enabled failures."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import jwt

from undercroft.core.security.tokens import encode_base64url
from undercroft.devstack.emulators.http import LocalServer
from undercroft.devstack.emulators.oidc.keys import Key, Keys, new_ec_key

CLIENT_ID = "undercroft"
CLIENT_SECRET = "emulator secret"  # noqa: S105
AUDIENCE = "undercroft-api"
WRONG_AUDIENCE = "another-api"
SUPABASE_SECRET = "a legacy secret of the emulator, 0123456789"  # noqa: S105
WEBHOOK_SECRET = "whsec_c3RhbmQtaW4gd2ViaG9vayBzZWNyZXQgMDEyMzQ1Njc4OQ=="  # noqa: S105
AUTH_METHODS = ("client_secret_basic", "client_secret_post")
TOKEN_LIFETIME = 3600


class Failure(StrEnum):
    """Failures that can be enabled; the values are their names in the control API."""

    JWKS_DOWN = "jwks_down"
    JWKS_SLOW = "jwks_slow"
    JWKS_HUGE = "jwks_huge"
    JWKS_WRONG = "jwks_wrong"
    JWKS_REDIRECT = "jwks_redirect"
    TOKEN_DOWN = "token_down"  # noqa: S105
    ALG_NONE = "alg_none"
    ALG_HS256 = "alg_hs256"
    UNKNOWN_KEY = "unknown_key"
    WRONG_KEY_TYPE = "wrong_key_type"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_NONCE = "wrong_nonce"
    WRONG_ISS_PARAMETER = "wrong_iss_parameter"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    EMAIL_UNVERIFIED = "email_unverified"
    EMAIL_MISSING = "email_missing"
    CHANGED_SUBJECT = "changed_subject"
    NO_KEY_ID = "no_key_id"
    JWKS_NO_KEY_ID = "jwks_no_key_id"
    DENY = "deny"


@dataclass(frozen=True)
class ProviderUser:
    """A user of the issuer."""

    subject: str
    email: str
    name: str = "Test User"
    email_verified: bool = True
    banned: bool = False
    locked_for: int | None = None
    """Seconds until a locked account is unlocked; 0: it stays locked; None: it is not locked."""


@dataclass(frozen=True)
class Grant:
    """The authorization that a code represents."""

    client_id: str
    redirect_uri: str
    user: ProviderUser
    nonce: str | None
    challenge: str | None


@dataclass
class OidcIssuer(LocalServer):
    """An OpenID Connect issuer. Its `url` is the issuer URL.

    `auto_approve` is the user to sign in without a page; if None, a page lists the users. `auth_methods` are the client
    authentication methods of the token endpoint; if None, the discovery document omits them, which means
    `client_secret_basic`. `slow_response_seconds` is the delay of slow responses; `clock_offset` is added to the
    issuer's clock, in seconds.
    """

    users: dict[str, ProviderUser] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=lambda: {CLIENT_ID: CLIENT_SECRET})
    auto_approve: ProviderUser | None = None
    failures: set[Failure] = field(default_factory=set)
    alg: str = "RS256"
    auth_methods: tuple[str, ...] | None = AUTH_METHODS
    slow_response_seconds: float = 30.0
    clock_offset: float = 0.0

    def __post_init__(self) -> None:
        from undercroft.devstack.emulators.oidc.endpoints import Endpoints

        super().__init__(Endpoints(self).handle)
        self.keys = Keys()
        self.apple_key = new_ec_key()
        self.grants: dict[str, Grant] = {}
        self.access_tokens: dict[str, ProviderUser] = {}

    def reset(self) -> None:
        """Remove all failures, users, grants and request counts. Keys are not changed."""
        self.failures.clear()
        self.users.clear()
        self.grants.clear()
        self.access_tokens.clear()
        self.auto_approve = None
        self.alg = "RS256"
        self.auth_methods = AUTH_METHODS
        self.slow_response_seconds = 30.0
        self.clock_offset = 0.0
        self.drop_requests()

    def set_failures(self, *failures: str) -> None:
        """Enable exactly these failures; without arguments, disable all. Raises `ValueError` for an unknown one."""
        self.failures = set(map(Failure, failures))

    def now(self) -> int:
        """Return the Unix time of the issuer's clock, which includes `clock_offset`."""
        return int(time.time() + self.clock_offset)

    def add_user(self, subject: str | None = None, **fields: Any) -> ProviderUser:
        """Add a user and return it; `fields` are those of `ProviderUser`."""
        subject = subject or secrets.token_hex(8)
        user = ProviderUser(subject, fields.pop("email", f"{subject}@example.com"), **fields)
        self.users[user.subject] = user
        return user

    def has_verified_email(self, user: ProviderUser) -> bool:
        return user.email_verified and Failure.EMAIL_UNVERIFIED not in self.failures

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with new keys from now on."""
        self.keys.rotate(withdraw=withdraw)

    def claims(self, user: ProviderUser, *, prefix: str = "", errors: Iterable[Failure] = ()) -> dict[str, Any]:
        """Return the claims of an ID token for a user, with the enabled failures and `errors` applied."""
        wrong, now = self.failures | set(errors), self.now()
        issuer = f"{self.url}{prefix}"
        claims: dict[str, Any] = {
            "iss": f"{issuer}/other" if Failure.WRONG_ISSUER in wrong else issuer,
            "sub": f"{user.subject}-changed" if Failure.CHANGED_SUBJECT in wrong else user.subject,
            "aud": WRONG_AUDIENCE if Failure.WRONG_AUDIENCE in wrong else AUDIENCE,
            "iat": now - 2 * TOKEN_LIFETIME if Failure.EXPIRED in wrong else now,
            "exp": now - TOKEN_LIFETIME if Failure.EXPIRED in wrong else now + TOKEN_LIFETIME,
            "jti": secrets.token_hex(8),
            "name": user.name,
        }
        if Failure.NOT_YET_VALID in wrong:
            claims["nbf"] = now + TOKEN_LIFETIME // 2
        if Failure.EMAIL_MISSING not in wrong:
            claims["email"] = user.email
            claims["email_verified"] = user.email_verified and Failure.EMAIL_UNVERIFIED not in wrong
        return claims

    def token(self, user: ProviderUser, *errors: Failure, prefix: str = "", kid: str | None = None, **more: Any) -> str:
        """Return a signed token for a user. `more` adds or replaces claims; None removes a claim."""
        claims = self.claims(user, prefix=prefix, errors=errors) | more
        return self.sign({name: value for name, value in claims.items() if value is not None}, *errors, kid=kid)

    def sign(self, claims: dict[str, Any], *errors: Failure, kid: str | None = None) -> str:
        """Sign claims with the current key, or wrongly if a failure requires it."""
        wrong, key = self.failures | set(errors), self.keys.current[self.alg]
        headers = {"kid": kid or (secrets.token_hex(8) if Failure.UNKNOWN_KEY in wrong else key.kid)}
        if Failure.NO_KEY_ID in wrong:
            headers.clear()
        if Failure.ALG_NONE in wrong:
            return jwt.encode(claims, "", "none", headers)
        if Failure.ALG_HS256 in wrong:
            return _forge_token(claims, headers, key)
        if Failure.WRONG_KEY_TYPE in wrong:
            other = self.keys.current["ES256" if self.alg == "RS256" else "RS256"]
            return jwt.encode(claims, other.private, other.alg, headers)
        return jwt.encode(claims, key.private, key.alg, headers)

    def grant(self, parameters: Mapping[str, str], user: ProviderUser) -> str:
        """Store what an authorization request is granted for this user, and return its code."""
        code = secrets.token_urlsafe(24)
        client_id, redirect_uri = parameters["client_id"], parameters["redirect_uri"]
        nonce, challenge = parameters.get("nonce"), parameters.get("code_challenge")
        self.grants[code] = Grant(client_id, redirect_uri, user, nonce, challenge)
        return code

    def access_token(self, user: ProviderUser) -> str:
        """Create an opaque access token for the userinfo endpoint."""
        token = secrets.token_urlsafe(24)
        self.access_tokens[token] = user
        return token

    def state(self) -> dict[str, Any]:
        """Return the state for the control API."""
        return {
            "failures": sorted(self.failures),
            "people": [asdict(user) for user in self.users.values()],
            "approving": self.auto_approve and self.auto_approve.subject,
            "hits": dict(self.traffic.hits),
            "at_once": dict(self.traffic.max_concurrent),
            "keys": [key.kid for key in self.keys.published],
        }


def _forge_token(claims: dict[str, Any], headers: dict[str, str], key: Key) -> str:
    """Sign with HS256 and the public key as the secret; a verifier that trusts `alg` accepts it (RFC 8725, 2.1)."""
    head = {"alg": "HS256", "typ": "JWT", **headers}
    message = ".".join(encode_base64url(json.dumps(part).encode()) for part in (head, claims))
    signature = hmac.new(key.public_pem, message.encode(), hashlib.sha256).digest()
    return f"{message}.{encode_base64url(signature)}"
