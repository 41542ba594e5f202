"""The pages behind mailed links. Opening one changes nothing, because programs that scan mails open links too: a button
posts. Nothing keeps these pages, and no other site learns their addresses."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Form, Query, Request, Response

from undercroft.core.auth import Router
from undercroft.core.errors import AppError
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, mailed_page
from undercroft.core.security.passwords import MAX_LENGTH, WeakPassword
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import normalise_email
from undercroft.modules.auth import credentials, registration
from undercroft.modules.auth.answers import SENT, count_account
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.cookies import refuse_cross_site
from undercroft.modules.auth.external import require_local_accounts
from undercroft.modules.auth.human import captcha_of, require_human_at_form
from undercroft.modules.auth.identity import IdentityDep
from undercroft.modules.auth.mailing import CONFIRM_PAGE, RESET_PAGE, VERIFY_PAGE

add_templates(Path(__file__).parent / "templates" / "pages")

pages = Router(surface="root", dependencies=[require_local_accounts()])

TokenInLink = Annotated[str, Query(max_length=512)]
TokenInForm = Annotated[str, Form(max_length=512)]


@pages.get(VERIFY_PAGE)
async def verify_email_page(request: Request, token: TokenInLink = "") -> Response:
    return mailed_page(request, "auth/verify_email.html", token=token, action=VERIFY_PAGE)


@pages.post(VERIFY_PAGE)
@not_idempotent("The link works once.")
async def verify_email(request: Request, identity: IdentityDep, token: TokenInForm = "") -> Response:
    async def work() -> None:
        async with identity.database.session() as session:
            await registration.verify(session, token)

    return await _answer(request, work, "Your address is confirmed", "Your account is ready: you can sign in now.")


@pages.get(CONFIRM_PAGE)
async def confirm_email_page(request: Request, token: TokenInLink = "") -> Response:
    return mailed_page(request, "auth/confirm_email.html", token=token, action=CONFIRM_PAGE)


@pages.post(CONFIRM_PAGE)
@not_idempotent("The link works once.")
async def confirm_email(request: Request, identity: IdentityDep, token: TokenInForm = "") -> Response:
    work = partial(credentials.confirm_email, identity.database, token=token)
    return await _answer(request, work, "Your new address is confirmed", "From now on you sign in with it.")


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
        work = partial(_forgot, request, identity, email)
        return await _answer(request, work, "Look into your mailbox", SENT)
    try:
        refuse_cross_site(request, from_mail=True)
        await credentials.reset_password(identity.database, token=token, password=password, client=client)
    except WeakPassword as error:
        return _reset_form(request, token, status=error.status, fault=error.text)
    except AppError as error:
        return _refusal(request, error)
    return _done(request, "Your password is set", "You were signed out everywhere. Sign in with the new password.")


async def _forgot(request: Request, identity: IdentityDep, email: str) -> None:
    await require_human_at_form(request)
    try:
        address = normalise_email(email)
    except ValueError:
        return
    await count_account(request, address)
    await credentials.forgot_password(identity.database, email=address)


async def _answer(request: Request, work: Callable[[], Awaitable[None]], title: str, text: str) -> Response:
    """Do what the button asks for, unless another site pressed it."""
    try:
        refuse_cross_site(request, from_mail=True)
        await work()
    except AppError as error:
        return _refusal(request, error)
    return _done(request, title, text)


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


def _refusal(request: Request, error: AppError) -> Response:
    answer = mailed_page(request, "auth/refused.html", status=error.status, text=error.text, reset=RESET_PAGE)
    answer.headers.update(error.headers)
    return answer
