"""Registering on a page."""

from typing import Annotated

from fastapi import Form, Request, Response

from undercroft.core.auth import Router
from undercroft.core.errors import AppError, Unprocessable
from undercroft.core.http.flash import see_other
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import normalise_email
from undercroft.core.validation.text import tidy_line
from undercroft.modules.auth import (
    SENT_PAGE,
    CurrentClient,
    IdentityDep,
    NameInvalid,
    captcha_of,
    refuse_cross_site,
    register,
    require_human_at_form,
    require_local_accounts,
    set_device_cookie,
)
from undercroft.modules.sign_in_pages.answers import REGISTER_PAGE, SIGN_IN_PAGE, form_page
from undercroft.modules.users import NAME_LENGTH

registering = Router(surface="root", dependencies=[require_local_accounts()])


class NoAddress(Unprocessable):
    message = "Enter a valid email address."
    field = "email"


@registering.get(REGISTER_PAGE)
async def register_page(request: Request) -> Response:
    return _form(request)


@registering.post(REGISTER_PAGE)
@limit("sign_in_request")
@not_idempotent("It only asks for a mail: the link makes the account, once.")
async def register_by_page(
    request: Request,
    client: CurrentClient,
    identity: IdentityDep,
    email: Annotated[str, Form(max_length=300)] = "",
    full_name: Annotated[str, Form(max_length=NAME_LENGTH)] = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
) -> Response:
    """The answer is the same whether the address has an account or not."""
    refuse_cross_site(request)
    try:
        await require_human_at_form(request)
        address, name = _address(email), _name(full_name)
        await register(identity.database, email=address, password=password, full_name=name, client=client)
    except AppError as error:
        return _form(request, error, email=email, full_name=full_name)
    response = see_other(SENT_PAGE, email=address)
    set_device_cookie(response, client.device)
    return response


def _form(request: Request, error: AppError | None = None, *, email: str = "", full_name: str = "") -> Response:
    return form_page(
        request,
        "register",
        error=error,
        action=REGISTER_PAGE,
        sign_in=SIGN_IN_PAGE,
        email=email,
        full_name=full_name,
        shortest=load(PasswordSettings).password_min_length,
        longest=MAX_INPUT,
        **captcha_of(request),
    )


def _address(text: str) -> str:
    try:
        return normalise_email(text)
    except ValueError:
        raise NoAddress from None


def _name(text: str) -> str:
    try:
        return tidy_line(text)
    except ValueError:
        raise NameInvalid from None
