"""Protection against cross-site request forgery (CSRF).

A request that changes data and is authenticated by a cookie must be same-site and have the CSRF token of its session,
as the header `X-CSRF-Token` or as a field of a form. A form without a session must not be cross-site.
"""

from uuid import UUID

from starlette.requests import HTTPConnection

from undercroft.core.http.same_site import same_site
from undercroft.core.security.keyring import keyring
from undercroft.core.security.tokens import constant_time_compare, sign
from undercroft.modules.sessions.errors import CsrfFailed
from undercroft.modules.sessions.models import SessionKind


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
