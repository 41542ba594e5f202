"""Cookies of this host, and the protection of their requests against cross-site request forgery (CSRF).

A request that changes data and is authenticated by a cookie must be same-site and have the CSRF token of its session,
as the header `X-CSRF-Token` or as a field of a form. A form without a session must not be cross-site.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from undercroft.core.http.same_site import same_site
from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.security.tokens import constant_time_compare, sign
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.sessions.errors import CsrfFailed
from undercroft.modules.sessions.models import SessionKind
from undercroft.modules.sessions.settings import SessionSettings

T = TypeVar("T", bound=msgspec.Struct)


class HostCookie:
    """A cookie that scripts cannot read and that browsers omit from cross-site requests except navigation.

    Over HTTPS its name begins with `__Host-`: browsers accept it only from this host (RFC 6265bis).
    """

    def __init__(self, base_name: str) -> None:
        self._base_name = base_name

    @property
    def name(self) -> str:
        return f"__Host-{self._base_name}" if _is_secure() else self._base_name

    def set(self, response: Response, value: str, *, lifetime: timedelta) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=int(lifetime.total_seconds()),
            path="/",
            secure=_is_secure(),
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=_is_secure(), httponly=True, samesite="lax")


class EncryptedCookie(HostCookie, Generic[T]):
    """A cookie with a value encrypted under SECRET_KEY for this purpose and cookie name."""

    def __init__(self, base_name: str, content_type: type[T], *, purpose: str) -> None:
        super().__init__(base_name)
        self._type = content_type
        self._purpose = purpose

    def encrypt(self, content: T) -> str:
        """Return the value of the cookie."""
        sealed = keyring(self._purpose).encrypt(msgspec.json.encode(content), context=self.name)
        return urlsafe_b64encode(sealed).decode()

    def read(self, request: HTTPConnection) -> T | None:
        """Return the content of the request's cookie; None if the cookie is missing or invalid."""
        try:
            sealed = urlsafe_b64decode(request.cookies.get(self.name, ""))
            return msgspec.json.decode(keyring(self._purpose).decrypt(sealed, context=self.name), type=self._type)
        except (ValueError, DecryptionError, msgspec.MsgspecError):
            return None


SESSION_COOKIE = HostCookie("uc_session")

IMPERSONATION_COOKIE = HostCookie("uc_impersonation")
"""The session in which the administrator of the session cookie impersonates a user in this browser.

While it is present, no request acts as the administrator, also not when the impersonation has ended: the browser
removes it with `POST /auth/impersonation/end`. It lasts as long as the session cookie, which it is useless without.
"""


def set_impersonation_cookie(response: Response, value: str) -> None:
    IMPERSONATION_COOKIE.set(response, value, lifetime=load(SessionSettings).session_lifetime)


def clear_session_cookies(response: Response) -> None:
    """Remove what signs a browser in."""
    SESSION_COOKIE.clear(response)
    IMPERSONATION_COOKIE.clear(response)


def _is_secure() -> bool:
    """Whether cookies have the Secure attribute: always except in development over HTTP."""
    return load(CoreSettings).public_url.startswith("https://")


class CsrfTokens:
    """CSRF tokens, derived from the session ID by HMAC, so that they need no storage."""

    def __init__(self) -> None:
        self._keys = keyring("csrf tokens").keys

    def issue(self, session_id: UUID) -> str:
        return sign(self._keys[0], session_id.hex)

    def require(self, session_id: UUID, token: str | None) -> None:
        """Raise `CsrfFailed` unless the token belongs to this session."""
        if not token or not any(constant_time_compare(sign(key, session_id.hex), token) for key in self._keys):
            raise CsrfFailed("The X-CSRF-Token header is missing or invalid. Get a token from GET /api/v1/auth/csrf.")


def require_same_site(request: HTTPConnection) -> None:
    """Raise `CsrfFailed` unless `Sec-Fetch-Site` or `Origin` shows that the request is same-site."""
    if not same_site(request):
        raise CsrfFailed("The request must be same-site according to its Sec-Fetch-Site or Origin header.")


def refuse_cross_site(
    request: HTTPConnection, kind: SessionKind = SessionKind.COOKIE, *, from_mail: bool = False
) -> None:
    """Raise `CsrfFailed` if the headers show a cross-site request that would set a cookie.

    A request for a bearer session sets none. Requests without these headers are allowed. Pages that emailed links open
    have `Referrer-Policy: no-referrer`, so browsers send `Origin: null` (`from_mail`).
    """
    if kind is SessionKind.BEARER:
        return
    origin = request.headers.get("origin")
    reported = "sec-fetch-site" in request.headers or not (origin is None or (from_mail and origin == "null"))
    if reported and not same_site(request):
        raise CsrfFailed("Cross-site requests are not allowed.")
