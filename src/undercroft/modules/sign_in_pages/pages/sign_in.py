"""The sign-in and sign-out pages."""

from typing import Annotated

from fastapi import Form, Query, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.db import SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.flash import see_other
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import MAX_PATH_LENGTH
from undercroft.core.http.pages import Action, result_page
from undercroft.core.security.passwords import MAX_INPUT
from undercroft.core.settings import load
from undercroft.core.validation import normalize_email
from undercroft.modules.auth import (
    LINK_SENT_MESSAGE,
    RESEND_PAGE,
    RESET_PAGE,
    AuthServicesDep,
    AuthSettings,
    Client,
    CurrentClient,
    InvalidCredentials,
    MfaRequired,
    SessionKind,
    TooManyAttempts,
    browser,
    captcha_context,
    clear_session_cookie,
    end_session,
    get_mailbox_actions,
    refuse_cross_site,
    request_magic_link,
    require_form_captcha,
    require_local_accounts,
    set_device_cookie,
)
from undercroft.modules.mfa import MAX_PASSKEY_LENGTH, InvalidCode, MfaTokenInvalid, finish_sign_in
from undercroft.modules.sign_in_pages.redirects import safe_next_path
from undercroft.modules.sign_in_pages.responses import (
    NO_STORE,
    PASSKEY_PAGE,
    REGISTER_PAGE,
    SECOND_FACTOR_PAGE,
    SIGN_IN_PAGE,
    SIGN_OUT_PAGE,
    form_page,
    mfa_challenge_page,
    mfa_required_page,
    redirect_signed_in,
)
from undercroft.modules.sign_in_pages.social import require_sign_in_available, social_links
from undercroft.modules.sign_in_pages.visitors import Visitor
from undercroft.providers.identity import IdentitySettings

sign_in_router = Router(surface="root", dependencies=[require_sign_in_available()])

LOCAL_ONLY = [require_local_accounts()]

LINK_PAGE = f"{SIGN_IN_PAGE}/link"
EmailField = Annotated[str, Form(max_length=300)]
NextPath = Annotated[str, Form(alias="next", max_length=MAX_PATH_LENGTH)]


@sign_in_router.get(SIGN_IN_PAGE)
async def sign_in_page(
    request: Request,
    visitor: Visitor,
    next_path: Annotated[str, Query(alias="next", max_length=MAX_PATH_LENGTH)] = "",
) -> Response:
    """Show the sign-in form, or redirect a user who is already signed in."""
    if visitor is not None:
        return RedirectResponse(safe_next_path(next_path), 303, NO_STORE)
    return _render_form(request, next_path)


@sign_in_router.post(SIGN_IN_PAGE, dependencies=LOCAL_ONLY)
@limit("sign_in")
@idempotency_exempt("HTML forms cannot send the header.")
async def sign_in(
    request: Request,
    email: EmailField = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    next_path: NextPath = "",
) -> Response:
    try:
        started = await browser.sign_in(request, email=_parse_email(email), password=password)
    except MfaRequired as error:
        return await mfa_required_page(request, error, next_path)
    except AppError as error:
        return _render_form(request, next_path, error, email=email)
    return redirect_signed_in(started, next_path)


@sign_in_router.post(SECOND_FACTOR_PAGE)
@limit("sign_in")
@idempotency_exempt("A code and a challenge work once.")
async def verify_second_factor(
    request: Request,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    mfa_token: Annotated[str, Form(max_length=512)] = "",
    code: Annotated[str, Form(max_length=64)] = "",
    recovery_code: Annotated[str, Form(max_length=64)] = "",
    passkey: Annotated[str, Form(max_length=MAX_PASSKEY_LENGTH)] = "",
    next_path: NextPath = "",
) -> Response:
    """Finish signing in. After a few wrong codes, the user has to start over."""
    refuse_cross_site(request)
    try:
        _, started, _ = await finish_sign_in(
            auth_services,
            client,
            token=mfa_token,
            code=code,
            recovery_code=recovery_code,
            passkey=passkey,
            expected_kind=SessionKind.COOKIE,
        )
    except (InvalidCode, TooManyAttempts) as error:
        return await _retry_challenge(request, mfa_token, next_path, error)
    except AppError as error:
        return _render_form(request, next_path, error)
    return redirect_signed_in(started, next_path)


@sign_in_router.get(SECOND_FACTOR_PAGE)
async def redirect_to_sign_in() -> Response:
    """Redirect, because the form needs the token of a pending sign-in."""
    return RedirectResponse(SIGN_IN_PAGE, 303, NO_STORE)


@sign_in_router.post(LINK_PAGE, dependencies=LOCAL_ONLY)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email.")
async def send_magic_link(
    request: Request, client: CurrentClient, auth_services: AuthServicesDep, email: EmailField = ""
) -> Response:
    """The response is the same whether or not the address has an account."""
    refuse_cross_site(request)
    try:
        address = normalize_email(email)
    except ValueError:
        return _redirect_to_link_sent(client)
    try:
        await require_form_captcha(request)
        await request_magic_link(auth_services.database, email=address, client=client)
    except AppError as error:
        return _render_form(request, "", error, email=email)
    return _redirect_to_link_sent(client)


@sign_in_router.get("/forgot-password", dependencies=LOCAL_ONLY)
async def forgot_password_page() -> Response:
    return RedirectResponse(RESET_PAGE, 303)


@sign_in_router.get(SIGN_OUT_PAGE)
async def sign_out_page(request: Request, visitor: Visitor, auth_services: AuthServicesDep) -> Response:
    if visitor is None:
        return RedirectResponse(SIGN_IN_PAGE, 303, NO_STORE)
    csrf_token = auth_services.authenticator.csrf.issue(visitor.session_id)
    return form_page(request, "sign_out", action=SIGN_OUT_PAGE, csrf_token=csrf_token, email=visitor.subject["email"])


@sign_in_router.post(SIGN_OUT_PAGE)
@idempotency_exempt("Revoking a session twice has no further effect.")
async def sign_out(
    request: Request,
    session: SessionDep,
    auth_services: AuthServicesDep,
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    principal = await auth_services.authenticator.authenticate_form(request, csrf_token)
    await end_session(session, principal, principal.session_id)
    response = RedirectResponse(SIGN_IN_PAGE, 303, NO_STORE)
    clear_session_cookie(response)
    return response


@sign_in_router.get(f"{LINK_PAGE}/sent", dependencies=LOCAL_ONLY)
async def magic_link_sent_page(request: Request) -> Response:
    back = Action("Back to sign in", SIGN_IN_PAGE)
    return result_page(request, "Check your email", LINK_SENT_MESSAGE, *get_mailbox_actions(), back)


def _redirect_to_link_sent(client: Client) -> Response:
    response = see_other(f"{LINK_PAGE}/sent")
    set_device_cookie(response, client.device)
    return response


async def _retry_challenge(request: Request, mfa_token: str, next_path: str, error: AppError) -> Response:
    try:
        return await mfa_challenge_page(request, mfa_token, next_path, error=error)
    except MfaTokenInvalid as token_error:
        return _render_form(request, next_path, token_error)


def _render_form(request: Request, next_path: str, error: AppError | None = None, *, email: str = "") -> Response:
    next_path = safe_next_path(next_path)
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
        max_length=MAX_INPUT,
        passkey_action=PASSKEY_PAGE,
        social=social_links(request.app.state.identity_connections, next_path),
        next_path=next_path,
        **captcha_context(request),
    )


def _parse_email(text: str) -> str:
    """Normalize the address. An invalid one fails like an unknown one: raises `InvalidCredentials`."""
    try:
        return normalize_email(text)
    except ValueError:
        raise InvalidCredentials from None
