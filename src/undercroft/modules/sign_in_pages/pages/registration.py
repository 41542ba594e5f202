"""The registration page."""

from typing import Annotated

from fastapi import Form, Request, Response

from undercroft.core.errors import AppError, Unprocessable
from undercroft.core.http import Router
from undercroft.core.http.flash import see_other
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import normalize_email
from undercroft.core.validation.text import normalize_line
from undercroft.modules.auth import (
    VERIFICATION_SENT_PAGE,
    AuthServicesDep,
    CurrentClient,
    NameInvalid,
    captcha_context,
    refuse_cross_site,
    register,
    require_form_captcha,
    require_local_accounts,
    set_device_cookie,
)
from undercroft.modules.sign_in_pages.responses import REGISTER_PAGE, SIGN_IN_PAGE, form_page
from undercroft.modules.users import NAME_LENGTH

registration_router = Router(surface="root", dependencies=[require_local_accounts()])


class InvalidEmail(Unprocessable):
    message = "Enter a valid email address."
    field = "email"


@registration_router.get(REGISTER_PAGE)
async def register_page(request: Request) -> Response:
    return _render_form(request)


@registration_router.post(REGISTER_PAGE)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email. The link in it creates the account once.")
async def submit_registration(
    request: Request,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    email: Annotated[str, Form(max_length=300)] = "",
    full_name: Annotated[str, Form(max_length=NAME_LENGTH)] = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
) -> Response:
    """The response is the same whether or not the address has an account."""
    refuse_cross_site(request)
    try:
        await require_form_captcha(request)
        address, name = _parse_email(email), _parse_name(full_name)
        await register(auth_services.database, email=address, password=password, full_name=name, client=client)
    except AppError as error:
        return _render_form(request, error, email=email, full_name=full_name)
    response = see_other(VERIFICATION_SENT_PAGE, email=address)
    set_device_cookie(response, client.device)
    return response


def _render_form(request: Request, error: AppError | None = None, *, email: str = "", full_name: str = "") -> Response:
    return form_page(
        request,
        "register",
        error=error,
        action=REGISTER_PAGE,
        sign_in=SIGN_IN_PAGE,
        email=email,
        full_name=full_name,
        min_length=load(PasswordSettings).password_min_length,
        max_length=MAX_INPUT,
        **captcha_context(request),
    )


def _parse_email(text: str) -> str:
    try:
        return normalize_email(text)
    except ValueError:
        raise InvalidEmail from None


def _parse_name(text: str) -> str:
    try:
        return normalize_line(text)
    except ValueError:
        raise NameInvalid from None
