"""Sign-in and sign-out pages of `/admin`. They start ordinary sessions with the same protections."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from undercroft.core.errors import AppError, Unauthorized
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, render_page
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.validation import parse_email
from undercroft.modules.admin_ui.guard import AdminGuard
from undercroft.modules.admin_ui.redirects import HOME, SIGN_IN, safe_admin_path
from undercroft.modules.auth import (
    CsrfFailed,
    InvalidCredentials,
    MfaRequired,
    StartedSession,
    browser,
    captcha_context,
)
from undercroft.modules.mfa import (
    MAX_PASSKEY_LENGTH,
    MfaTokenInvalid,
    authenticate_with_passkey,
    finish_in_browser,
    passkey_sign_in_context,
    second_factor_context,
)

add_templates(Path(__file__).parent / "templates" / "pages")

SECOND_FACTOR = f"{SIGN_IN}/code"
PASSKEY_SIGN_IN = f"{SIGN_IN}/passkey"
CREDENTIAL_FIELDS = ("code", "recovery_code", "passkey")
NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def routes(guard: AdminGuard) -> list[BaseRoute]:
    """Return the sign-in routes and the mount of the guard."""
    return [
        Route("/admin", redirect_home, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in_page, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in, methods=["POST"], include_in_schema=False),
        Route(SECOND_FACTOR, second_factor, methods=["POST"], include_in_schema=False),
        Route(SECOND_FACTOR, redirect_to_sign_in, methods=["GET"], include_in_schema=False),
        Route(PASSKEY_SIGN_IN, sign_in_with_passkey, methods=["POST"], include_in_schema=False),
        Route(PASSKEY_SIGN_IN, redirect_to_sign_in, methods=["GET"], include_in_schema=False),
        Route("/admin/logout", sign_out, methods=["POST"], include_in_schema=False),
        Mount("/admin", app=guard, name="admin"),
    ]


async def redirect_home(_request: Request) -> Response:
    return RedirectResponse(HOME, 308)


async def redirect_to_sign_in(_request: Request) -> Response:
    """Redirect a GET of a later sign-in page to the first one."""
    return RedirectResponse(SIGN_IN, 303, NO_STORE)


async def sign_in_page(request: Request) -> Response:
    return _sign_in_form(request, request.query_params.get("next", ""))


@limit("sign_in")
async def sign_in(request: Request) -> Response:
    """Start a session, or show the MFA challenge. The guard checks whether the user is an administrator."""
    form = await _fields(request)
    next_path = form.get("next", "")
    try:
        started = await browser.sign_in(request, email=_read_email(form), password=form.get("password", "")[:MAX_INPUT])
    except MfaRequired as error:
        return await _second_factor_form(request, (error.details or {})["mfa_token"], next_path)
    except AppError as error:
        return _sign_in_form(request, next_path, error, email=form.get("email", ""))
    return _redirect_signed_in(started, next_path)


@limit("sign_in")
async def second_factor(request: Request) -> Response:
    """Verify the second factor and start the session."""
    form = await _fields(request)
    token, next_path = form.get("mfa_token", ""), form.get("next", "")
    try:
        started = await finish_in_browser(request, token=token, **_submitted_credential(form))
    except (MfaTokenInvalid, CsrfFailed) as error:
        return _sign_in_form(request, next_path, error)
    except AppError as error:
        return await _second_factor_form(request, token, next_path, error)
    return _redirect_signed_in(started, next_path)


@limit("sign_in")
async def sign_in_with_passkey(request: Request) -> Response:
    """Show the passkey page, or start a session if the form contains a passkey assertion."""
    form = await _fields(request)
    passkey, next_path = form.get("passkey", ""), form.get("next", "")
    if not passkey:
        return await _passkey_form(request, next_path)
    try:
        started = await authenticate_with_passkey(request, passkey[:MAX_PASSKEY_LENGTH])
    except CsrfFailed as error:
        return _sign_in_form(request, next_path, error)
    except AppError as error:
        return await _passkey_form(request, next_path, error)
    return _redirect_signed_in(started, next_path)


async def sign_out(request: Request) -> Response:
    """End the session, if there is one, and redirect to the sign-in page."""
    response = RedirectResponse(SIGN_IN, 303, NO_STORE)
    try:
        await browser.sign_out(request, response)
    except Unauthorized:
        return response
    return response


async def _fields(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if not isinstance(value, UploadFile)}


def _submitted_credential(form: dict[str, str]) -> dict[str, str]:
    return {name: form[name][:MAX_PASSKEY_LENGTH] for name in CREDENTIAL_FIELDS if name in form}


def _redirect_signed_in(started: StartedSession, next_path: str) -> Response:
    response = RedirectResponse(safe_admin_path(next_path), 303, NO_STORE)
    browser.set_sign_in_cookies(response, started)
    return response


def _read_email(form: dict[str, str]) -> str:
    try:
        return parse_email(form.get("email", ""))
    except ValidationError:
        raise InvalidCredentials from None


def _sign_in_form(request: Request, next_path: str, error: AppError | None = None, *, email: str = "") -> Response:
    return _render(
        request,
        "sign_in",
        next_path,
        error,
        action=SIGN_IN,
        passkey_action=PASSKEY_SIGN_IN,
        email=email[:254],
        **captcha_context(request),
    )


async def _second_factor_form(request: Request, token: str, next_path: str, error: AppError | None = None) -> Response:
    """Render the MFA challenge, or the sign-in form if the token is invalid."""
    try:
        context = await second_factor_context(request, token)
    except MfaTokenInvalid as invalid:
        return _sign_in_form(request, next_path, invalid)
    return _render(request, "code", next_path, error, action=SECOND_FACTOR, **context)


async def _passkey_form(request: Request, next_path: str, error: AppError | None = None) -> Response:
    context = await passkey_sign_in_context(request)
    return _render(request, "passkey", next_path, error, action=PASSKEY_SIGN_IN, sign_in=SIGN_IN, **context)


def _render(request: Request, name: str, next_path: str, error: AppError | None, **context: Any) -> Response:
    status, headers = (error.status, error.headers) if error else (200, {})
    return render_page(
        request,
        f"admin_ui/{name}.html",
        status=status,
        headers={**headers, **NO_STORE},
        error=error,
        next_path=safe_admin_path(next_path),
        **context,
    )
