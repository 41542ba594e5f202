"""Pages that emailed links open.

A GET request changes nothing, because email scanners follow links too: each page has a form that posts. The pages are
not cached and send no referrer.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.flash import read_flash, see_other
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import Action, add_templates, email_link_page, failure_page, result_page, sign_in_link
from undercroft.core.security.passwords import MAX_INPUT, WeakPassword
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.core.validation import normalize_email
from undercroft.core.validation.text import normalize_line
from undercroft.modules.auth import credentials, registration
from undercroft.modules.auth.captcha import captcha_context, require_form_captcha
from undercroft.modules.auth.client import Client, CurrentClient
from undercroft.modules.auth.cookies import refuse_cross_site
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.emails import CONFIRM_PAGE, RESEND_PAGE, RESET_PAGE, VERIFICATION_SENT_PAGE, VERIFY_PAGE
from undercroft.modules.auth.errors import (
    AlreadyVerified,
    ConfirmationNeedsSession,
    NameInvalid,
    PasswordChoiceRequired,
)
from undercroft.modules.auth.external import require_local_accounts
from undercroft.modules.auth.registration import Verification
from undercroft.modules.auth.responses import LINK_SENT_MESSAGE, get_mailbox_actions
from undercroft.modules.auth.services import AuthServices, AuthServicesDep
from undercroft.modules.users import NAME_LENGTH

add_templates(Path(__file__).parent / "templates" / "pages")

pages = Router(surface="root", dependencies=[require_local_accounts()])

QueryToken = Annotated[str, Query(max_length=512)]
FormToken = Annotated[str, Form(max_length=512)]
HOME_ACTIONS = (Action("Continue", "/"),)


@pages.get(VERIFY_PAGE)
async def verify_email_page(request: Request, client: CurrentClient, token: QueryToken = "") -> Response:
    """Show a confirmation button in the browser that registered; in another browser, a form for the password."""
    return _verify_form(request, token, requires_password=client.device.is_new)


@pages.post(VERIFY_PAGE)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def verify_email(
    request: Request,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    token: FormToken = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    full_name: Annotated[str | None, Form(max_length=NAME_LENGTH)] = None,
) -> Response:
    """Create the account. A name from this form replaces the registered one, which a stranger may have entered."""
    try:
        refuse_cross_site(request, from_mail=True)
        verification = Verification(
            token=token, handles=[client.device.handle], password=password or None, full_name=_parse_name(full_name)
        )
        user = await registration.verify(auth_services.database, verification)
    except (PasswordChoiceRequired, WeakPassword, NameInvalid) as error:
        return _verify_form(request, token, requires_password=True, error=error, full_name=full_name or "")
    except AppError as error:
        return _link_failure_page(request, error, Action("Send a new link", RESEND_PAGE))
    response = see_other(f"{VERIFY_PAGE}/done")
    set_device_cookie(response, client.device.with_account(user.email))
    return response


@pages.get(f"{VERIFY_PAGE}/done")
async def email_verified_page(request: Request) -> Response:
    return result_page(request, "Email confirmed", "Your account is ready.", *_sign_in_actions())


@pages.get(VERIFICATION_SENT_PAGE)
async def verification_sent_page(request: Request) -> Response:
    """Shown after registration. The email address comes from a flash cookie, so the page can be reloaded."""
    email = read_flash(request).get("email", "")
    text = f"We sent a link to {email or 'your email address'}. Open it to create your account."
    actions = (Action("Resend", RESEND_PAGE), *_sign_in_actions())
    return result_page(request, "Check your email", text, *get_mailbox_actions(), *actions)


@pages.get(RESEND_PAGE)
async def resend_page(request: Request) -> Response:
    return _resend_form(request)


@pages.post(RESEND_PAGE)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email.")
async def resend_verification(
    request: Request,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    email: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """The response is the same whether or not the address was registered."""
    try:
        refuse_cross_site(request, from_mail=True)
        await require_form_captcha(request)
        if (address := _parse_email(email)) is not None:
            await registration.resend(auth_services.database, email=address, client=client)
    except AppError as error:
        return _resend_form(request, error, email)
    return see_other(VERIFICATION_SENT_PAGE, email=email)


@pages.get(CONFIRM_PAGE)
async def confirm_email_page(request: Request, token: QueryToken = "") -> Response:
    return email_link_page(request, "auth/confirm_email.html", token=token, action=CONFIRM_PAGE)


@pages.post(CONFIRM_PAGE)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def confirm_email(
    request: Request, client: CurrentClient, auth_services: AuthServicesDep, token: FormToken = ""
) -> Response:
    """Confirm the change, in the browser that requested it or one that is signed in to the account."""
    try:
        refuse_cross_site(request, from_mail=True)
        caller_id = await auth_services.authenticator.caller_id(request)
        await credentials.confirm_email(auth_services.database, token=token, device=client.device, caller_id=caller_id)
    except ConfirmationNeedsSession as error:
        page = f"{CONFIRM_PAGE}?{urlencode({'token': token})}"
        return failure_page(request, error, "Sign in first", *_sign_in_actions(page))
    except AppError as error:
        return _link_failure_page(request, error)
    return see_other(f"{CONFIRM_PAGE}/done")


@pages.get(f"{CONFIRM_PAGE}/done")
async def email_changed_page(request: Request) -> Response:
    return result_page(request, "Email address changed", "Sign in with the new address from now on.", *HOME_ACTIONS)


@pages.get(RESET_PAGE)
async def reset_password_page(request: Request, token: QueryToken = "") -> Response:
    return _reset_form(request, token)


@pages.post(RESET_PAGE)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def reset_password(
    request: Request,
    auth_services: AuthServicesDep,
    client: CurrentClient,
    token: FormToken = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    email: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """With a token, set the password; otherwise send a link to the email address."""
    if not token:
        return await _request_reset_link(request, auth_services, client, email)
    try:
        refuse_cross_site(request, from_mail=True)
        device = await credentials.reset_password(auth_services.database, token=token, password=password, client=client)
    except WeakPassword as error:
        return _reset_form(request, token, error)
    except AppError as error:
        return _link_failure_page(request, error, Action("Send a new link", RESET_PAGE))
    response = see_other(f"{RESET_PAGE}/done")
    set_device_cookie(response, device)
    return response


@pages.get(f"{RESET_PAGE}/done")
async def password_changed_page(request: Request) -> Response:
    return result_page(request, "Password changed", "You have been signed out on all devices.", *_sign_in_actions())


@pages.get(f"{RESET_PAGE}/sent")
async def reset_sent_page(request: Request) -> Response:
    actions = (Action("Resend", RESET_PAGE), *_sign_in_actions())
    return result_page(request, "Check your email", LINK_SENT_MESSAGE, *get_mailbox_actions(), *actions)


async def _request_reset_link(request: Request, auth_services: AuthServices, client: Client, email: str) -> Response:
    try:
        refuse_cross_site(request, from_mail=True)
        await require_form_captcha(request)
        if (address := _parse_email(email)) is not None:
            await credentials.forgot_password(auth_services.database, email=address, client=client)
    except AppError as error:
        return _reset_form(request, "", error, email)
    return see_other(f"{RESET_PAGE}/sent")


def _parse_email(text: str) -> str | None:
    try:
        return normalize_email(text)
    except ValueError:
        return None


def _parse_name(text: str | None) -> str | None:
    try:
        return None if text is None else normalize_line(text)
    except ValueError:
        raise NameInvalid from None


def _verify_form(
    request: Request, token: str, *, requires_password: bool, error: AppError | None = None, full_name: str = ""
) -> Response:
    return _render_form(
        request,
        "verify_email",
        error,
        token=token,
        action=VERIFY_PAGE,
        requires_password=requires_password,
        full_name=full_name,
        max_name_length=NAME_LENGTH,
    )


def _resend_form(request: Request, error: AppError | None = None, email: str = "") -> Response:
    return _render_form(request, "resend", error, action=RESEND_PAGE, email=email, **captcha_context(request))


def _reset_form(request: Request, token: str, error: AppError | None = None, email: str = "") -> Response:
    return _render_form(
        request, "reset_password", error, token=token, action=RESET_PAGE, email=email, **captcha_context(request)
    )


def _render_form(request: Request, template: str, error: AppError | None, **context: Any) -> Response:
    """Render a form; after an error, with its message, status and headers."""
    response = email_link_page(
        request,
        f"auth/{template}.html",
        status=error.status if error else 200,
        error=error,
        min_length=load(PasswordSettings).password_min_length,
        max_length=MAX_INPUT,
        **context,
    )
    response.headers.update(error.headers if error else {})
    return response


def _link_failure_page(request: Request, error: AppError, *actions: Action) -> Response:
    """Render the page for an emailed link that failed."""
    is_verified = isinstance(error, AlreadyVerified)
    title = "Email already confirmed" if is_verified else "The link does not work"
    return failure_page(request, error, title, *(() if is_verified else actions), *_sign_in_actions())


def _sign_in_actions(next_path: str = "/") -> tuple[Action, ...]:
    link = sign_in_link(next_path)
    return (Action("Sign in", link),) if link else ()
