"""Sessions of browsers: the cookie, the token that proves a request is ours, and where a request came from."""

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
    """Whether cookies are only for https: always but in development over http (production refuses to be)."""
    return load(CoreSettings).public_url.startswith("https://")


def cookie_name() -> str:
    """`__Host-` makes browsers refuse the cookie from anywhere but this very host over https (RFC 6265bis)."""
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
    """Tokens bound to a session by HMAC, so that nothing needs to be stored."""

    def __init__(self) -> None:
        self._keys = keyring("csrf tokens").keys

    def issue(self, session_id: UUID) -> str:
        return sign(self._keys[0], session_id.hex)

    def require(self, session_id: UUID, token: str | None) -> None:
        """Raises `CsrfFailed` unless the token is this session's."""
        if not token or not any(constant_time_compare(sign(key, session_id.hex), token) for key in self._keys):
            raise CsrfFailed(
                "The header X-CSRF-Token is missing or not this session's. GET /api/v1/auth/csrf tells it."
            )


def require_same_site(request: Request) -> None:
    """Raises `CsrfFailed` unless the browser says that the request comes from our own site."""
    if not same_site(request):
        raise CsrfFailed("The request must come from our own site, by its Sec-Fetch-Site or Origin.")


def refuse_cross_site(request: Request, *, from_mail: bool = False) -> None:
    """Raises `CsrfFailed` when a browser says that another site sent the request; programs say nothing and pass.

    A page behind a mailed link hides its address (`Referrer-Policy: no-referrer`), so browsers call its origin `null`.
    """
    origin = request.headers.get("origin")
    reported = "sec-fetch-site" in request.headers or not (origin is None or (from_mail and origin == "null"))
    if reported and not same_site(request):
        raise CsrfFailed("Another site may not do this.")
