"""Routes to register, verify an email address, and sign in with a password or an emailed link."""

from typing import Annotated

from fastapi import Form, Request, Response
from pydantic import SecretStr

from undercroft.core.http import Audit, Exempt, Router, Tag
from undercroft.core.security.passwords import WeakPassword
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth.dependencies import AuthServicesDep, MagicLinkServiceDep, RegistrationServiceDep
from undercroft.modules.auth.errors import (
    CAPTCHA_ERRORS,
    AlreadyVerified,
    DisposableEmail,
    InvalidCredentials,
    LinkInvalid,
    LinkOfAnotherDevice,
    MagicLinksOff,
    TooManyAttempts,
)
from undercroft.modules.auth.schemas import (
    CHECK_EMAIL_MESSAGE,
    LINK_SENT_MESSAGE,
    Accepted,
    EmailOnly,
    EmailVerified,
    MagicLinkVerify,
    PasswordGrant,
    Register,
    Registered,
    RegistrationStatus,
    SignInRequest,
    VerifyEmail,
)
from undercroft.modules.auth.service.sign_in import require_captcha
from undercroft.modules.auth.service.throttle import PASSWORD_FAILURES
from undercroft.modules.sessions import (
    CsrfFailed,
    CurrentClient,
    LocalAccountsOff,
    MfaRequired,
    SessionKind,
    SignInResponse,
    TokenPair,
    build_sign_in_response,
    issue_token_pair,
    refuse_cross_site,
    require_local_accounts,
)
from undercroft.modules.users import SignUpWaitlisted

SIGN_IN = Tag("Auth", "Registration, sign-in, tokens and passwords.", group="Account")

sign_in = Router(
    surface="auth",
    tag=SIGN_IN,
    limit="sign_in",
    idempotency="never_store",
    errors=(LocalAccountsOff,),
    dependencies=[require_local_accounts()],
)
magic_links = Router(surface="auth", prefix="/magic-link", tag=SIGN_IN, limit="sign_in", idempotency="never_store")


@sign_in.post(
    "/register",
    status_code=202,
    audit="registration.requested",
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email. The link in it creates the account once."),
    summary="Register an account",
    errors=(DisposableEmail, WeakPassword, *CAPTCHA_ERRORS, TooBusy),
)
async def register(
    body: Register, request: Request, response: Response, client: CurrentClient, registrations: RegistrationServiceDep
) -> Registered:
    """Sends a verification link. The response is the same whether or not the address has an account.

    Send the token of the link to `POST /auth/verify-email` together with `registration_token`, or with the cookie from
    this response. Only then is the account created with this password, because anyone can register any address.

    While users have to wait for an account, the `status` is `waitlisted`.
    """
    await require_captcha(request, body.captcha_token)
    password, token = body.password.get_secret_value(), client.device.handle
    try:
        await registrations.register(email=body.email, password=password, full_name=body.full_name)
    except SignUpWaitlisted as waiting:
        return Registered(message=waiting.text, registration_token=token, status=RegistrationStatus.WAITLISTED)
    client.device.set_cookie(response)
    return Registered(message=CHECK_EMAIL_MESSAGE, registration_token=token)


@sign_in.post(
    "/verify-email",
    audit=Audit("user.registered", optional=("session.started",)),
    summary="Verify an email address and sign in",
    errors=(LinkInvalid, AlreadyVerified, DisposableEmail, SignUpWaitlisted, WeakPassword, CsrfFailed, TooBusy),
)
async def verify_email(
    body: VerifyEmail, request: Request, response: Response, registrations: RegistrationServiceDep
) -> EmailVerified:
    """Creates the account of a registered address and signs in.

    The registered password and name apply if the request has the `registration_token` or cookie of the registration.
    Otherwise `password` and `full_name` of this request apply; without a `password` the account has none and
    `has_password` is false. Other links for the same address then fail with `EMAIL_ALREADY_VERIFIED`.

    Who can sign up is decided again: if it changed after the registration, no account is created.
    """
    refuse_cross_site(request, body.session)
    user, started = await registrations.verify_and_sign_in(
        body.token.get_secret_value(),
        kind=body.session,
        registration_token=_secret(body.registration_token),
        password=_secret(body.password),
        full_name=body.full_name,
    )
    signed_in = await build_sign_in_response(response, user, started, body.session)
    return EmailVerified(**dict(signed_in), has_password=user.password_hash is not None)


@sign_in.post(
    "/verify-email/resend",
    status_code=202,
    audit="registration.link_requested",
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email."),
    summary="Resend the verification link",
    errors=CAPTCHA_ERRORS,
)
async def resend_verification(body: EmailOnly, request: Request, registrations: RegistrationServiceDep) -> Accepted:
    """Sends a new verification link. The response is the same whether or not the address was registered.

    While users have to wait for an account, it sends the email of the waiting list again.
    """
    await require_captcha(request, body.captcha_token)
    try:
        await registrations.resend(body.email)
    except SignUpWaitlisted as waiting:
        return Accepted(message=waiting.text)
    return Accepted(message=LINK_SENT_MESSAGE)


@sign_in.post(
    "/login",
    audit=Audit("session.started", on_failure=(*PASSWORD_FAILURES, "mfa.challenged")),
    summary="Sign in",
    errors=(InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA_ERRORS, TooManyAttempts, TooBusy),
)
async def login(
    body: SignInRequest, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> SignInResponse:
    """Returns tokens, or sets a session cookie if `session` is `cookie`.

    If the user has a second factor, the response is 401 `MFA_REQUIRED`. Send `details.mfa_token` and the second factor
    to `POST /auth/mfa/verify`.
    """
    refuse_cross_site(request, body.session)
    await require_captcha(request, body.captcha_token)
    user, started = await auth_services.sign_in.sign_in(
        email=body.email,
        password=body.password.get_secret_value(),
        client=client,
        kind=body.session,
    )
    return await build_sign_in_response(response, user, started, body.session)


@sign_in.post(
    "/token",
    audit=Audit("session.started", on_failure=(*PASSWORD_FAILURES, "mfa.challenged")),
    summary="Sign in with an OAuth 2.0 password grant",
    errors=(InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA_ERRORS, TooManyAttempts, TooBusy),
)
async def token(
    form: Annotated[PasswordGrant, Form()],
    request: Request,
    response: Response,
    client: CurrentClient,
    auth_services: AuthServicesDep,
) -> TokenPair:
    """For API documentation pages and generic OAuth 2.0 clients (RFC 6749, 4.3). `username` is the email address.

    Cross-site requests of browsers get 403 `CSRF_FAILED`, because the response sets the device cookie.
    """
    refuse_cross_site(request)
    await require_captcha(request, form.captcha_token)
    _, started = await auth_services.sign_in.sign_in(
        email=form.username,
        password=form.password.get_secret_value(),
        client=client,
        kind=SessionKind.BEARER,
    )
    started.set_device_cookie(response)
    return await issue_token_pair(started)


@magic_links.post(
    "",
    status_code=202,
    audit="sign_in.link_requested",
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email."),
    summary="Request a sign-in link",
    errors=(MagicLinksOff, LocalAccountsOff, *CAPTCHA_ERRORS),
)
async def request_magic_link(
    body: EmailOnly, request: Request, response: Response, client: CurrentClient, links: MagicLinkServiceDep
) -> Accepted:
    """Sends a sign-in link. The response is the same whether or not the address has an account.

    A cookie binds the link to this browser. Another browser must confirm the sign-in.
    """
    links.require_enabled()
    await require_captcha(request, body.captcha_token)
    await links.request(body.email)
    client.device.set_cookie(response)
    return Accepted(message=LINK_SENT_MESSAGE)


@magic_links.post(
    "/verify",
    audit=Audit("session.started", on_failure=("mfa.challenged",)),
    summary="Sign in with an emailed link",
    errors=(LinkInvalid, LinkOfAnotherDevice, MfaRequired, MagicLinksOff, LocalAccountsOff, CsrfFailed),
)
async def verify_magic_link(
    body: MagicLinkVerify, request: Request, response: Response, links: MagicLinkServiceDep
) -> SignInResponse:
    """Signs in with the token from an emailed link, which works once.

    Returns 401 `MFA_REQUIRED` if the user has a second factor. With `"session": "cookie"`, a browser that did not
    request the link gets 403 `LINK_OF_ANOTHER_DEVICE` with the account's address in `details.email`: show the address
    to the user and, when the user confirms it, send it as `email`.
    """
    refuse_cross_site(request, body.session)
    user, started = await links.sign_in(body.token.get_secret_value(), kind=body.session, email=body.email)
    return await build_sign_in_response(response, user, started, body.session)


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
