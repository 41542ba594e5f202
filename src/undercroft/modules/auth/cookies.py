"""Session cookies, CSRF tokens and same-site checks."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.http.same_site import same_site
from undercroft.core.security.keyring import keyring
from undercroft.core.security.tokens import constant_time_compare, sign
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth.errors import CsrfFailed
from undercroft.modules.auth.settings import AuthSettings


def is_secure() -> bool:
    """Whether cookies have the Secure attribute: always except in development over HTTP."""
    return load(CoreSettings).public_url.startswith("https://")


def cookie_name() -> str:
    """The cookie name. With `__Host-`, browsers accept the cookie only from this host over HTTPS (RFC 6265bis)."""
    return "__Host-uc_session" if is_secure() else "uc_session"


def set_session_cookie(response: Response, secret: str) -> None:
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=int(load(AuthSettings).session_lifetime.total_seconds()),
        path="/",
        secure=is_secure(),
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response) -> None:
    response.delete_cookie(cookie_name(), path="/", secure=is_secure(), httponly=True, samesite="lax")


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


def require_same_site(request: Request) -> None:
    """Raise `CsrfFailed` unless `Sec-Fetch-Site` or `Origin` shows that the request is same-site."""
    if not same_site(request):
        raise CsrfFailed("The request must be same-site according to its Sec-Fetch-Site or Origin header.")


def refuse_cross_site(request: Request, *, from_mail: bool = False) -> None:
    """Raise `CsrfFailed` if the headers show a cross-site request. Requests without these headers are allowed.

    Pages that emailed links open have `Referrer-Policy: no-referrer`, so browsers send `Origin: null` (`from_mail`).
    """
    origin = request.headers.get("origin")
    reported = "sec-fetch-site" in request.headers or not (origin is None or (from_mail and origin == "null"))
    if reported and not same_site(request):
        raise CsrfFailed("Cross-site requests are not allowed.")
