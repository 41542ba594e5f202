"""Signing in and out on pages."""

from typing import Annotated

from fastapi import Form, Query, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.auth import Router
from undercroft.core.db import SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http.flash import see_other
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import LONGEST_PATH
from undercroft.core.http.pages import Action, result_page
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.settings import load
from undercroft.core.validation import normalise_email
from undercroft.modules.auth import (
    RESEND_PAGE,
    RESET_PAGE,
    SENT,
    AuthSettings,
    Client,
    CurrentClient,
    IdentityDep,
    InvalidCredentials,
    MfaRequired,
    SessionKind,
    TooManyAttempts,
    ask_for_link,
    browser,
    captcha_of,
    clear_session_cookie,
    development_mailbox,
    end_session,
    refuse_cross_site,
    require_human_at_form,
    require_local_accounts,
    set_device_cookie,
)
from undercroft.modules.mfa import LONGEST_PASSKEY, InvalidCode, MfaTokenInvalid, finish_sign_in
from undercroft.modules.sign_in_pages.answers import (
    NOT_KEPT,
    PASSKEY_PAGE,
    REGISTER_PAGE,
    SECOND_STEP_PAGE,
    SIGN_IN_PAGE,
    SIGN_OUT_PAGE,
    entered,
    form_page,
    second_step_asked,
    second_step_page,
)
from undercroft.modules.sign_in_pages.social import require_way_in, social_links
from undercroft.modules.sign_in_pages.targets import local_path
from undercroft.modules.sign_in_pages.visitors import Visitor
from undercroft.providers.identity import IdentitySettings

signing_in = Router(surface="root", dependencies=[require_way_in()])

LOCAL = [require_local_accounts()]

LINK_PAGE = f"{SIGN_IN_PAGE}/link"
Address = Annotated[str, Form(max_length=300)]
Wanted = Annotated[str, Form(alias="next", max_length=LONGEST_PATH)]


@signing_in.get(SIGN_IN_PAGE)
async def sign_in_page(
    request: Request,
    visitor: Visitor,
    wanted: Annotated[str, Query(alias="next", max_length=LONGEST_PATH)] = "",
) -> Response:
    """Who is signed in already is sent on."""
    if visitor is not None:
        return RedirectResponse(local_path(wanted), 303, NOT_KEPT)
    return _form(request, wanted)


@signing_in.post(SIGN_IN_PAGE, dependencies=LOCAL)
@limit("sign_in")
@not_idempotent("Forms of browsers do not send it.")
async def sign_in(
    request: Request,
    email: Address = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    wanted: Wanted = "",
) -> Response:
    try:
        started = await browser.sign_in(request, email=_address(email), password=password)
    except MfaRequired as asked:
        return await second_step_asked(request, asked, wanted)
    except AppError as error:
        return _form(request, wanted, error, email=email)
    return entered(started, wanted)


@signing_in.post(SECOND_STEP_PAGE)
@limit("sign_in")
@not_idempotent("A code works once, and so does a challenge.")
async def second_step(
    request: Request,
    client: CurrentClient,
    identity: IdentityDep,
    mfa_token: Annotated[str, Form(max_length=512)] = "",
    code: Annotated[str, Form(max_length=64)] = "",
    recovery_code: Annotated[str, Form(max_length=64)] = "",
    passkey: Annotated[str, Form(max_length=LONGEST_PASSKEY)] = "",
    wanted: Wanted = "",
) -> Response:
    """A wrong code may be mended a few times; then signing in begins anew."""
    refuse_cross_site(request)
    try:
        _, started, _ = await finish_sign_in(
            identity,
            client,
            token=mfa_token,
            code=code,
            recovery_code=recovery_code,
            passkey=passkey,
            only=SessionKind.COOKIE,
        )
    except (InvalidCode, TooManyAttempts) as error:
        return await _asked_again(request, mfa_token, wanted, error)
    except AppError as error:
        return _form(request, wanted, error)
    return entered(started, wanted)


@signing_in.get(SECOND_STEP_PAGE)
async def second_step_left() -> Response:
    """There is nothing to see here without the first step."""
    return RedirectResponse(SIGN_IN_PAGE, 303, NOT_KEPT)


@signing_in.post(LINK_PAGE, dependencies=LOCAL)
@limit("sign_in_request")
@not_idempotent("It only asks for a mail.")
async def send_magic_link(
    request: Request, client: CurrentClient, identity: IdentityDep, email: Address = ""
) -> Response:
    """The answer is the same whatever the address."""
    refuse_cross_site(request)
    try:
        address = normalise_email(email)
    except ValueError:
        return _link_sent(client)
    try:
        await require_human_at_form(request)
        await ask_for_link(identity.database, email=address, client=client)
    except AppError as error:
        return _form(request, "", error, email=email)
    return _link_sent(client)


@signing_in.get("/forgot-password", dependencies=LOCAL)
async def forgot_password_page() -> Response:
    return RedirectResponse(RESET_PAGE, 303)


@signing_in.get(SIGN_OUT_PAGE)
async def sign_out_page(request: Request, visitor: Visitor, identity: IdentityDep) -> Response:
    if visitor is None:
        return RedirectResponse(SIGN_IN_PAGE, 303, NOT_KEPT)
    csrf_token = identity.authenticator.csrf.issue(visitor.session_id)
    return form_page(request, "sign_out", action=SIGN_OUT_PAGE, csrf_token=csrf_token, email=visitor.subject["email"])


@signing_in.post(SIGN_OUT_PAGE)
@not_idempotent("A session that has ended cannot end again.")
async def sign_out(
    request: Request,
    session: SessionDep,
    identity: IdentityDep,
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    principal = await identity.authenticator.authenticate_form(request, csrf_token)
    await end_session(session, principal, principal.session_id)
    answer = RedirectResponse(SIGN_IN_PAGE, 303, NOT_KEPT)
    clear_session_cookie(answer)
    return answer


@signing_in.get(f"{LINK_PAGE}/sent", dependencies=LOCAL)
async def magic_link_sent_page(request: Request) -> Response:
    again = Action("Back to sign in", SIGN_IN_PAGE)
    return result_page(request, "Check your email", SENT, *development_mailbox(), again)


def _link_sent(client: Client) -> Response:
    response = see_other(f"{LINK_PAGE}/sent")
    set_device_cookie(response, client.device)
    return response


async def _asked_again(request: Request, mfa_token: str, wanted: str, error: AppError) -> Response:
    try:
        return await second_step_page(request, mfa_token, wanted, error=error)
    except MfaTokenInvalid as void:
        return _form(request, wanted, void)


def _form(request: Request, wanted: str, error: AppError | None = None, *, email: str = "") -> Response:
    wanted = local_path(wanted)
    return form_page(
        request,
        "sign_in",
        error=error,
        action=SIGN_IN_PAGE,
        is_local=not load(IdentitySettings).is_external,
        link_action=LINK_PAGE if load(AuthSettings).magic_links else "",
        forgot=RESET_PAGE,
        resend=RESEND_PAGE,
        register=REGISTER_PAGE,
        email=email,
        longest=MAX_INPUT,
        passkey_action=PASSKEY_PAGE,
        social=social_links(request.app.state.identity_connections, wanted),
        wanted=wanted,
        **captcha_of(request),
    )


def _address(text: str) -> str:
    """What is no address is nobody's."""
    try:
        return normalise_email(text)
    except ValueError:
        raise InvalidCredentials from None
