"""The pages of accounts: registration, email verification, password reset and email change."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.context import current_context
from undercroft.core.db import DatabaseDep
from undercroft.core.errors import AppError, Forbidden
from undercroft.core.http import Action, Audit, Exempt, Router, failure_page, result_page
from undercroft.core.http.flash import read_flash, see_other
from undercroft.modules.auth import (
    LINK_SENT_MESSAGE,
    AlreadyVerified,
    ConfirmationNeedsSession,
    DisposableEmail,
    LinkPage,
    PasswordServiceDep,
    RegistrationNotice,
    RegistrationServiceDep,
    confirm_email_change,
)
from undercroft.modules.sessions import CsrfFailed, CurrentClient, get_authenticator, require_local_accounts
from undercroft.modules.users import SignUpWaitlisted
from undercroft.modules.web.errors import InvalidEmail
from undercroft.modules.web.service.forms import (
    EmailField,
    LinkForm,
    NameField,
    PageForm,
    PasswordField,
    parse_email,
    parse_name,
    redirect,
    sign_in_actions,
)
from undercroft.modules.web.service.site import (
    REGISTER_PAGE,
    RESEND_PAGE,
    SIGN_IN_PAGE,
    continue_action,
    get_mailbox_actions,
)

WAITLISTED_PAGE = f"{REGISTER_PAGE}/waitlisted"
VERIFICATION_SENT_PAGE = f"{LinkPage.VERIFY_EMAIL}/sent"

account_router = Router(surface="root", dependencies=[require_local_accounts()])

QueryToken = Annotated[str, Query(max_length=512)]


class RegistrationForm(PageForm):
    template, action = "register", REGISTER_PAGE
    has_captcha, context = True, {"sign_in": SIGN_IN_PAGE}

    email: EmailField = ""
    full_name: NameField = ""
    password: PasswordField = ""

    def render(self, request: Request, error: AppError | None = None, **context: Any) -> Response:
        notice = current_context().find(RegistrationNotice)
        text = notice.text() if notice is not None else ""
        asks_password = not (text and notice is not None and notice.without_password)
        return super().render(request, error, notice=text, asks_password=asks_password, **context)


class VerificationForm(LinkForm):
    """A confirmation button in the browser that registered; in another browser, a form for the password."""

    template, action = "verify_email", LinkPage.VERIFY_EMAIL
    context = {"requires_password": True}
    failure_actions = (Action("Send a new link", RESEND_PAGE),)

    full_name: NameField = ""
    password: PasswordField = ""

    def fail(self, request: Request, error: AppError) -> Response:
        if isinstance(error, AlreadyVerified):
            return failure_page(request, error, "Email already confirmed", *sign_in_actions())
        if isinstance(error, SignUpWaitlisted):
            return see_other(WAITLISTED_PAGE)
        if isinstance(error, Forbidden | DisposableEmail) and not isinstance(error, CsrfFailed):
            # Who can sign up has changed since the registration.
            return failure_page(request, error, "Your account was not created", *sign_in_actions())
        return super().fail(request, error)


class ResendForm(PageForm):
    template, action, has_captcha = "resend", RESEND_PAGE, True

    email: EmailField = ""


class ResetForm(LinkForm):
    """With a token, sets a password; otherwise asks for the email address to send a link to."""

    template, action, has_captcha = "reset_password", LinkPage.RESET_PASSWORD, True
    failure_actions = (Action("Send a new link", LinkPage.RESET_PASSWORD),)

    email: EmailField = ""
    password: PasswordField = ""

    def fail(self, request: Request, error: AppError) -> Response:
        return super().fail(request, error) if self.token else self.render(request, error)


class ConfirmationForm(LinkForm):
    template, action = "confirm_email", LinkPage.CONFIRM_EMAIL

    def fail(self, request: Request, error: AppError) -> Response:
        if isinstance(error, ConfirmationNeedsSession):
            page = f"{self.action}?{urlencode({'token': self.token})}"
            return failure_page(request, error, "Sign in first", *sign_in_actions(page))
        return super().fail(request, error)


@account_router.get(REGISTER_PAGE)
async def register_page(request: Request) -> Response:
    return RegistrationForm().render(request)


@account_router.post(
    REGISTER_PAGE,
    audit="registration.requested",
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email. The link in it creates the account once."),
)
async def submit_registration(
    request: Request,
    form: Annotated[RegistrationForm, Form()],
    client: CurrentClient,
    registrations: RegistrationServiceDep,
) -> Response:
    """The response is the same whether or not the address has an account."""
    try:
        await form.check(request)
        if (email := parse_email(form.email)) is None:
            raise InvalidEmail
        await registrations.register(email=email, password=form.password, full_name=parse_name(form.full_name))
    except SignUpWaitlisted:
        return see_other(WAITLISTED_PAGE)
    except AppError as error:
        return form.fail(request, error)
    return redirect(VERIFICATION_SENT_PAGE, device=client.device, email=email)


@account_router.get(WAITLISTED_PAGE)
async def waitlisted_page(request: Request) -> Response:
    """Shown after a sign-up while users have to wait for an account."""
    title, text = SignUpWaitlisted.message.split(". ", 1)
    return result_page(request, title, text, *get_mailbox_actions(), *sign_in_actions())


@account_router.get(VERIFICATION_SENT_PAGE)
async def verification_sent_page(request: Request) -> Response:
    """Shown after registration. The email address comes from a flash cookie, so the page can be reloaded."""
    email = read_flash(request).get("email", "")
    text = f"We sent a link to {email or 'your email address'}. Open it to create your account."
    actions = (*get_mailbox_actions(), Action("Resend", RESEND_PAGE), *sign_in_actions())
    return result_page(request, "Check your email", text, *actions)


@account_router.get(LinkPage.VERIFY_EMAIL)
async def verify_email_page(request: Request, client: CurrentClient, token: QueryToken = "") -> Response:
    return VerificationForm(token=token).render(request, requires_password=client.device.is_new)


@account_router.post(
    LinkPage.VERIFY_EMAIL,
    audit=Audit("user.registered", none_when="users have to wait for an account"),
    limit="sign_in",
    idempotency=Exempt("The link works once."),
)
async def submit_verification(
    request: Request,
    form: Annotated[VerificationForm, Form()],
    client: CurrentClient,
    registrations: RegistrationServiceDep,
) -> Response:
    """Create the account. A name from this form replaces the registered one, which a stranger may have entered."""
    try:
        await form.check(request)
        user = await registrations.verify(
            form.token, password=form.password or None, full_name=parse_name(form.full_name) or None
        )
    except AppError as error:
        return form.fail(request, error)
    return redirect(f"{LinkPage.VERIFY_EMAIL}/done", device=client.device.with_account(user.email))


@account_router.get(f"{LinkPage.VERIFY_EMAIL}/done")
async def email_verified_page(request: Request) -> Response:
    return result_page(request, "Email confirmed", "Your account is ready.", *sign_in_actions())


@account_router.get(RESEND_PAGE)
async def resend_page(request: Request) -> Response:
    return ResendForm().render(request)


@account_router.post(
    RESEND_PAGE,
    audit=Audit("registration.link_requested", none_when="the address is invalid"),
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email."),
)
async def submit_resend(
    request: Request, form: Annotated[ResendForm, Form()], registrations: RegistrationServiceDep
) -> Response:
    """The response is the same whether or not the address was registered."""
    try:
        await form.check(request)
        if (email := parse_email(form.email)) is not None:
            await registrations.resend(email)
    except SignUpWaitlisted:
        return see_other(WAITLISTED_PAGE)
    except AppError as error:
        return form.fail(request, error)
    return redirect(VERIFICATION_SENT_PAGE, email=form.email)


@account_router.get("/forgot-password")
async def forgot_password_page() -> Response:
    return see_other(LinkPage.RESET_PASSWORD)


@account_router.get(LinkPage.RESET_PASSWORD)
async def reset_password_page(request: Request, token: QueryToken = "") -> Response:
    return ResetForm(token=token).render(request)


@account_router.post(
    LinkPage.RESET_PASSWORD,
    audit=Audit("user.password_reset", "password.reset_requested", none_when="the address is invalid"),
    limit="sign_in",
    idempotency=Exempt("The link works once."),
)
async def reset_password(
    request: Request, form: Annotated[ResetForm, Form()], passwords: PasswordServiceDep
) -> Response:
    try:
        await form.check(request)
        if form.token:
            device = await passwords.reset(form.token, form.password)
            return redirect(f"{LinkPage.RESET_PASSWORD}/done", device=device)
        if (email := parse_email(form.email)) is not None:
            await passwords.request_reset(email)
    except AppError as error:
        return form.fail(request, error)
    return redirect(f"{LinkPage.RESET_PASSWORD}/sent")


@account_router.get(f"{LinkPage.RESET_PASSWORD}/done")
async def password_changed_page(request: Request) -> Response:
    return result_page(request, "Password changed", "You have been signed out on all devices.", *sign_in_actions())


@account_router.get(f"{LinkPage.RESET_PASSWORD}/sent")
async def reset_sent_page(request: Request) -> Response:
    actions = (*get_mailbox_actions(), Action("Resend", LinkPage.RESET_PASSWORD), *sign_in_actions())
    return result_page(request, "Check your email", LINK_SENT_MESSAGE, *actions)


@account_router.get(LinkPage.CONFIRM_EMAIL)
async def confirm_email_page(request: Request, token: QueryToken = "") -> Response:
    return ConfirmationForm(token=token).render(request)


@account_router.post(
    LinkPage.CONFIRM_EMAIL,
    audit=Audit("user.email_changed", repeatable=("team.domains_revoked",)),
    limit="sign_in",
    idempotency=Exempt("The link works once."),
)
async def confirm_email(
    request: Request, form: Annotated[ConfirmationForm, Form()], client: CurrentClient, database: DatabaseDep
) -> Response:
    """Confirm the change, in the browser that requested it or one that is signed in to the account."""
    try:
        await form.check(request)
        caller_id = await get_authenticator().caller_id(request)
        await confirm_email_change(database, token=form.token, device=client.device, caller_id=caller_id)
    except AppError as error:
        return form.fail(request, error)
    return redirect(f"{LinkPage.CONFIRM_EMAIL}/done")


@account_router.get(f"{LinkPage.CONFIRM_EMAIL}/done")
async def email_changed_page(request: Request) -> Response:
    text = "Sign in with the new address from now on."
    return result_page(request, "Email address changed", text, continue_action())
