"""The pages behind mailed links. Opening one changes nothing, because programs that scan mails open links too: a button
posts. Nothing keeps these pages, and no other site learns their addresses."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.auth import Router
from undercroft.core.errors import AppError, Unprocessable
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, mailed_page, sign_in_link
from undercroft.core.security.passwords import MAX_LENGTH, WeakPassword
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import normalise_email
from undercroft.core.validation.text import tidy_line
from undercroft.modules.auth import credentials, registration
from undercroft.modules.auth.answers import SENT
from undercroft.modules.auth.client import Client, CurrentClient
from undercroft.modules.auth.cookies import refuse_cross_site
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.errors import ConfirmationNeedsSession, PasswordChoiceRequired
from undercroft.modules.auth.external import require_local_accounts
from undercroft.modules.auth.human import captcha_of, require_human_at_form
from undercroft.modules.auth.identity import Identity, IdentityDep
from undercroft.modules.auth.mailing import CONFIRM_PAGE, RESET_PAGE, VERIFY_PAGE
from undercroft.modules.auth.registration import Verification
from undercroft.modules.users import NAME_LENGTH

add_templates(Path(__file__).parent / "templates" / "pages")

pages = Router(surface="root", dependencies=[require_local_accounts()])

TokenInLink = Annotated[str, Query(max_length=512)]
TokenInForm = Annotated[str, Form(max_length=512)]


class NoName(Unprocessable):
    message = "Write the name in one line, without control characters."


@pages.get(VERIFY_PAGE)
async def verify_email_page(request: Request, client: CurrentClient, token: TokenInLink = "") -> Response:
    """A browser that registered confirms by a button; another one is asked for a password at once."""
    return _verify_form(request, token, asks_password=client.device.is_new)


@pages.post(VERIFY_PAGE)
@limit("sign_in")
@not_idempotent("The link works once.")
async def verify_email(
    request: Request,
    client: CurrentClient,
    identity: IdentityDep,
    token: TokenInForm = "",
    password: Annotated[str, Form(max_length=MAX_LENGTH)] = "",
    full_name: Annotated[str | None, Form(max_length=NAME_LENGTH)] = None,
) -> Response:
    """The name that is typed here replaces the registered one, which may be another person's."""
    try:
        refuse_cross_site(request, from_mail=True)
        verification = Verification(
            token=token, handles=[client.device.handle], password=password or None, full_name=_name(full_name)
        )
        user = await registration.verify(identity.database, verification)
    except (PasswordChoiceRequired, WeakPassword, NoName) as error:
        return _verify_form(request, token, asks_password=True, error=error, full_name=full_name or "")
    except AppError as error:
        return _refusal(request, error)
    response = _done(request, "Your address is confirmed", "Your account is ready: you can sign in now.")
    set_device_cookie(response, client.device.with_account(user.email))
    return response


@pages.get(CONFIRM_PAGE)
async def confirm_email_page(request: Request, token: TokenInLink = "") -> Response:
    return mailed_page(request, "auth/confirm_email.html", token=token, action=CONFIRM_PAGE)


@pages.post(CONFIRM_PAGE)
@limit("sign_in")
@not_idempotent("The link works once.")
async def confirm_email(
    request: Request, client: CurrentClient, identity: IdentityDep, token: TokenInForm = ""
) -> Response:
    """In the browser that asked for it, or one that is signed in to the account."""
    try:
        refuse_cross_site(request, from_mail=True)
        caller_id = await identity.authenticator.caller_id(request)
        await credentials.confirm_email(identity.database, token=token, device=client.device, caller_id=caller_id)
    except ConfirmationNeedsSession as error:
        page = f"{CONFIRM_PAGE}?{urlencode({'token': token})}"
        return _refusal(request, error, sign_in=sign_in_link(page))
    except AppError as error:
        return _refusal(request, error)
    return _done(request, "Your new address is confirmed", "From now on you sign in with it.")


@pages.get(RESET_PAGE)
async def reset_password_page(request: Request, token: TokenInLink = "") -> Response:
    return _reset_form(request, token)


@pages.post(RESET_PAGE)
@limit("sign_in")
@not_idempotent("The link works once.")
async def reset_password(
    request: Request,
    identity: IdentityDep,
    client: CurrentClient,
    token: TokenInForm = "",
    password: Annotated[str, Form(max_length=MAX_LENGTH)] = "",
    email: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """With a token sets the password; with an address sends a link to it."""
    if not token:
        return await _forgot(request, identity, client, email)
    try:
        refuse_cross_site(request, from_mail=True)
        device = await credentials.reset_password(identity.database, token=token, password=password, client=client)
    except WeakPassword as error:
        return _reset_form(request, token, status=error.status, fault=error.text)
    except AppError as error:
        return _refusal(request, error)
    response = _done(request, "Your password is set", "You were signed out everywhere. Sign in with the new password.")
    set_device_cookie(response, device)
    return response


async def _forgot(request: Request, identity: Identity, client: Client, email: str) -> Response:
    try:
        refuse_cross_site(request, from_mail=True)
        await require_human_at_form(request)
        if (address := _address(email)) is not None:
            await credentials.forgot_password(identity.database, email=address, client=client)
    except AppError as error:
        return _refusal(request, error)
    return _done(request, "Check your email", SENT)


def _address(text: str) -> str | None:
    try:
        return normalise_email(text)
    except ValueError:
        return None


def _name(text: str | None) -> str | None:
    try:
        return None if text is None else tidy_line(text)
    except ValueError:
        raise NoName from None


def _verify_form(
    request: Request, token: str, *, asks_password: bool, error: AppError | None = None, full_name: str = ""
) -> Response:
    return mailed_page(
        request,
        "auth/verify_email.html",
        status=error.status if error else 200,
        token=token,
        action=VERIFY_PAGE,
        asks_password=asks_password,
        fault=error.text if error else "",
        full_name=full_name,
        shortest=load(PasswordSettings).password_min_length,
        longest=MAX_LENGTH,
        longest_name=NAME_LENGTH,
    )


def _reset_form(request: Request, token: str, *, status: int = 200, fault: str = "") -> Response:
    shortest = load(PasswordSettings).password_min_length
    return mailed_page(
        request,
        "auth/reset_password.html",
        status=status,
        token=token,
        action=RESET_PAGE,
        fault=fault,
        shortest=shortest,
        longest=MAX_LENGTH,
        **captcha_of(request),
    )


def _done(request: Request, title: str, text: str) -> Response:
    return mailed_page(request, "auth/done.html", title=title, text=text)


def _refusal(request: Request, error: AppError, *, sign_in: str = "") -> Response:
    answer = mailed_page(
        request, "auth/refused.html", status=error.status, text=error.text, reset=RESET_PAGE, sign_in=sign_in
    )
    answer.headers.update(error.headers)
    return answer
