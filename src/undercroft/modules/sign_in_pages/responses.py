"""Responses that the pages share: forms with error messages, and the redirect after sign-in."""

from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from undercroft.core.errors import AppError
from undercroft.core.http.pages import render_page
from undercroft.modules.auth import MfaRequired, StartedSession, browser
from undercroft.modules.mfa import second_factor_context
from undercroft.modules.sign_in_pages.redirects import safe_next_path

SIGN_IN_PAGE = "/sign-in"
SECOND_FACTOR_PAGE = "/sign-in/second-step"
PASSKEY_PAGE = "/sign-in/passkey"
SIGN_OUT_PAGE = "/sign-out"
REGISTER_PAGE = "/register"
JOIN_PAGE = "/join"
NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def form_page(request: Request, template: str, /, *, error: AppError | None = None, **context: Any) -> Response:
    """Render a page with a form; after an error, with its message, status and headers."""
    status, headers = (200, {}) if error is None else (error.status, error.headers)
    name = f"sign_in_pages/{template}.html"
    return render_page(request, name, status=status, headers={**NO_STORE, **headers}, error=error, **context)


def redirect_signed_in(started: StartedSession, next_path: str) -> Response:
    """Redirect to the requested page and set the session cookie."""
    response = RedirectResponse(safe_next_path(next_path), 303, NO_STORE)
    browser.set_sign_in_cookies(response, started)
    return response


async def mfa_required_page(request: Request, error: MfaRequired, next_path: str) -> Response:
    """Render the second factor forms for an `MfaRequired` error."""
    return await mfa_challenge_page(request, (error.details or {})["mfa_token"], next_path)


async def mfa_challenge_page(
    request: Request, mfa_token: str, next_path: str, *, error: AppError | None = None
) -> Response:
    """Render the second factor forms. Raises `MfaTokenInvalid`."""
    context = await second_factor_context(request, mfa_token)
    return form_page(
        request, "second_factor", error=error, action=SECOND_FACTOR_PAGE, next_path=safe_next_path(next_path), **context
    )
