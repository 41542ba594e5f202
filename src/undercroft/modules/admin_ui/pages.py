"""Signing in to `/admin` and out of it. A session that is begun here is one like any other, and as well protected."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from undercroft.core.errors import AppError, Unauthorized
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, page
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.validation import read_email
from undercroft.modules.admin_ui.gate import Gate
from undercroft.modules.admin_ui.targets import FRONT, SIGN_IN, place
from undercroft.modules.auth import CsrfFailed, InvalidCredentials, MfaRequired, Started, browser, captcha_of
from undercroft.modules.mfa import (
    LONGEST_PASSKEY,
    MfaTokenInvalid,
    enter_by_passkey,
    finish_in_browser,
    passkey_alone_of,
    second_step_of,
)

add_templates(Path(__file__).parent / "templates" / "pages")

SECOND_STEP = f"{SIGN_IN}/code"
BY_PASSKEY = f"{SIGN_IN}/passkey"
WAYS = ("code", "recovery_code", "passkey")
NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def routes(gate: Gate) -> list[BaseRoute]:
    """What is in front of the gate, and the gate."""
    return [
        Route("/admin", to_front, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in_page, methods=["GET"], include_in_schema=False),
        Route(SIGN_IN, sign_in, methods=["POST"], include_in_schema=False),
        Route(SECOND_STEP, second_step, methods=["POST"], include_in_schema=False),
        Route(SECOND_STEP, to_sign_in, methods=["GET"], include_in_schema=False),
        Route(BY_PASSKEY, sign_in_by_passkey, methods=["POST"], include_in_schema=False),
        Route(BY_PASSKEY, to_sign_in, methods=["GET"], include_in_schema=False),
        Route("/admin/logout", sign_out, methods=["POST"], include_in_schema=False),
        Mount("/admin", app=gate, name="admin"),
    ]


async def to_front(_request: Request) -> Response:
    return RedirectResponse(FRONT, 308)


async def to_sign_in(_request: Request) -> Response:
    """There is nothing to see at later steps without the first one."""
    return RedirectResponse(SIGN_IN, 303, NO_STORE)


async def sign_in_page(request: Request) -> Response:
    return _form(request, request.query_params.get("next", ""))


@limit("sign_in")
async def sign_in(request: Request) -> Response:
    """Begin a session, or ask for the second factor. Who may come in is the gate's to say."""
    form = await _fields(request)
    wanted = form.get("next", "")
    try:
        started = await browser.sign_in(request, email=_address(form), password=form.get("password", "")[:MAX_INPUT])
    except MfaRequired as error:
        return await _second_step(request, (error.details or {})["mfa_token"], wanted)
    except AppError as error:
        return _form(request, wanted, error, email=form.get("email", ""))
    return _entered(started, wanted)


@limit("sign_in")
async def second_step(request: Request) -> Response:
    """Begin the session that the second factor was asked for."""
    form = await _fields(request)
    token, wanted = form.get("mfa_token", ""), form.get("next", "")
    try:
        started = await finish_in_browser(request, token=token, **_given(form))
    except (MfaTokenInvalid, CsrfFailed) as error:
        return _form(request, wanted, error)
    except AppError as error:
        return await _second_step(request, token, wanted, error)
    return _entered(started, wanted)


@limit("sign_in")
async def sign_in_by_passkey(request: Request) -> Response:
    """Ask for a passkey, by a button of the first page, or begin the session of whoever has shown one."""
    form = await _fields(request)
    passkey, wanted = form.get("passkey", ""), form.get("next", "")
    if not passkey:
        return await _passkey_form(request, wanted)
    try:
        started = await enter_by_passkey(request, passkey[:LONGEST_PASSKEY])
    except CsrfFailed as error:
        return _form(request, wanted, error)
    except AppError as error:
        return await _passkey_form(request, wanted, error)
    return _entered(started, wanted)


async def sign_out(request: Request) -> Response:
    """End the session. Without one there is nothing to end."""
    response = RedirectResponse(SIGN_IN, 303, NO_STORE)
    try:
        await browser.sign_out(request, response)
    except Unauthorized:
        return response
    return response


async def _fields(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if not isinstance(value, UploadFile)}


def _given(form: dict[str, str]) -> dict[str, str]:
    return {name: form[name][:LONGEST_PASSKEY] for name in WAYS if name in form}


def _entered(started: Started, wanted: str) -> Response:
    response = RedirectResponse(place(wanted), 303, NO_STORE)
    browser.remember(response, started)
    return response


def _address(form: dict[str, str]) -> str:
    try:
        return read_email(form.get("email", ""))
    except ValidationError:
        raise InvalidCredentials from None


def _form(request: Request, wanted: str, error: AppError | None = None, *, email: str = "") -> Response:
    return _shown(
        request,
        "sign_in",
        wanted,
        error,
        action=SIGN_IN,
        passkey_action=BY_PASSKEY,
        email=email[:254],
        **captcha_of(request),
    )


async def _second_step(request: Request, token: str, wanted: str, error: AppError | None = None) -> Response:
    """The forms for it, or the first ones where there is nothing to go on with."""
    try:
        shown = await second_step_of(request, token)
    except MfaTokenInvalid as void:
        return _form(request, wanted, void)
    return _shown(request, "code", wanted, error, action=SECOND_STEP, **shown)


async def _passkey_form(request: Request, wanted: str, error: AppError | None = None) -> Response:
    shown = await passkey_alone_of(request)
    return _shown(request, "passkey", wanted, error, action=BY_PASSKEY, sign_in=SIGN_IN, **shown)


def _shown(request: Request, name: str, wanted: str, error: AppError | None, **context: Any) -> Response:
    status, headers = (error.status, error.headers) if error else (200, {})
    return page(
        request,
        f"admin_ui/{name}.html",
        status=status,
        headers={**headers, **NO_STORE},
        error=error,
        wanted=place(wanted),
        **context,
    )
