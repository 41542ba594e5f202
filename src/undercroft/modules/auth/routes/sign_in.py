"""Register, verify, sign in, refresh, sign out."""

from typing import Annotated, Any

from fastapi import Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import SecretStr, ValidationError

from undercroft.core.db import SessionDep
from undercroft.core.errors import Unauthorized
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.guards import current_principal
from undercroft.core.http.idempotency import idempotency_exempt, returns_secret
from undercroft.core.http.limits import limit
from undercroft.core.security.passwords import MAX_INPUT, WeakPassword
from undercroft.core.security.threads import TooBusy
from undercroft.core.validation import parse_email
from undercroft.modules.auth import registration
from undercroft.modules.auth.captcha import CAPTCHA_ERRORS, require_captcha
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.cookies import clear_session_cookie, refuse_cross_site
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.disposable_email import DisposableEmail
from undercroft.modules.auth.errors import (
    AlreadyVerified,
    CsrfFailed,
    InvalidCredentials,
    InvalidRefreshToken,
    LinkInvalid,
    MfaRequired,
    TokenReused,
    TooManyAttempts,
)
from undercroft.modules.auth.external import LocalAccountsOff, require_local_accounts
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.registration import Verification
from undercroft.modules.auth.responses import (
    CHECK_EMAIL_MESSAGE,
    LINK_SENT_MESSAGE,
    SIGN_IN,
    build_sign_in_response,
    issue_token_pair,
    refuse_cross_site_cookie,
    remember_device,
)
from undercroft.modules.auth.schemas import (
    Accepted,
    CookieSession,
    CsrfToken,
    EmailOnly,
    RefreshRequest,
    Register,
    Registered,
    SignInRequest,
    TokenPair,
    VerifiedSession,
    VerifiedTokens,
    VerifyEmail,
)
from undercroft.modules.auth.services import AuthServicesDep
from undercroft.modules.auth.sessions import end_session, sign_out

sign_in = Router(surface="auth", tag=SIGN_IN)


@sign_in.post(
    "/register",
    status_code=202,
    response_model=Registered,
    summary="Register",
    responses=responses(LocalAccountsOff, DisposableEmail, WeakPassword, *CAPTCHA_ERRORS, TooBusy),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("It only asks for a mail: the link makes the account, once.")
async def register(
    body: Register, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> Registered:
    """Sends a link to the address. The response is the same whether it has an account or not.

    The link is opened by `POST /auth/verify-email`. It creates the account with this password only together with
    `registration_token`, or with the cookie that has the same value: anybody can register anybody's address.
    """
    await require_captcha(request, body.captcha_token)
    await registration.register(
        auth_services.database,
        email=body.email,
        password=body.password.get_secret_value(),
        full_name=body.full_name,
        client=client,
    )
    set_device_cookie(response, client.device)
    return Registered(message=CHECK_EMAIL_MESSAGE, registration_token=client.device.handle)


@sign_in.post(
    "/verify-email",
    response_model=VerifiedTokens | VerifiedSession,
    summary="Verify an email address and sign in",
    responses=responses(LocalAccountsOff, LinkInvalid, AlreadyVerified, WeakPassword, CsrfFailed, TooBusy),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@returns_secret
async def verify_email(
    body: VerifyEmail, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> VerifiedTokens | VerifiedSession:
    """Creates the account of a registered address and signs in.

    The registered password and name apply when the request carries the `registration_token` of the registration, or its
    cookie. Otherwise `password` and `full_name` of this request apply, and without a `password` the account has none:
    `has_password` is false then. Later links of the address fail with `EMAIL_ALREADY_VERIFIED`.
    """
    refuse_cross_site_cookie(request, body.session)
    verification = Verification(
        token=body.token.get_secret_value(),
        handles=[client.device.handle, *_secret(body.registration_token)],
        password=next(iter(_secret(body.password)), None),
        full_name=body.full_name,
    )
    user, started = await registration.verify_and_sign_in(
        auth_services.database, verification, client=client, kind=body.session
    )
    made = await build_sign_in_response(auth_services, response, user, started, body.session)
    verified = VerifiedTokens if isinstance(made, TokenPair) else VerifiedSession
    return verified(**dict(made), has_password=user.password_hash is not None)


@sign_in.post(
    "/verify-email/resend",
    status_code=202,
    response_model=Accepted,
    summary="Resend the verification link",
    responses=responses(LocalAccountsOff, *CAPTCHA_ERRORS),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("It only asks for a mail.")
async def resend_verification(
    body: EmailOnly, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> Accepted:
    """The response is the same whether the address was registered or not."""
    await require_captcha(request, body.captcha_token)
    await registration.resend(auth_services.database, email=body.email, client=client)
    return Accepted(message=LINK_SENT_MESSAGE)


@sign_in.post(
    "/login",
    response_model=TokenPair | CookieSession,
    summary="Sign in",
    responses=responses(
        LocalAccountsOff, InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA_ERRORS, TooManyAttempts, TooBusy
    ),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@returns_secret
async def login(
    body: SignInRequest, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> TokenPair | CookieSession:
    """Answers with tokens, or sets a cookie when `session` is `cookie`.

    Two-step sign-in: 401 `MFA_REQUIRED`, and `POST /auth/mfa/verify` takes `details.mfa_token` with a second factor.
    """
    refuse_cross_site_cookie(request, body.session)
    await require_captcha(request, body.captcha_token)
    user, started = await auth_services.sign_in.sign_in(
        email=body.email,
        password=body.password.get_secret_value(),
        client=client,
        kind=body.session,
    )
    return await build_sign_in_response(auth_services, response, user, started, body.session)


@sign_in.post(
    "/token",
    response_model=TokenPair,
    summary="Sign in by an OAuth 2 password form",
    responses=responses(
        LocalAccountsOff, InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA_ERRORS, TooManyAttempts, TooBusy
    ),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@returns_secret
async def token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    response: Response,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    captcha_token: Annotated[str, Form(max_length=4096)] = "",
) -> TokenPair:
    """For documentation pages and generic clients (RFC 6749, 4.3); `username` is the address.

    Pages of other sites get 403 `CSRF_FAILED`: their form would replace the browser's device cookie.
    """
    refuse_cross_site(request)
    await require_captcha(request, captcha_token)
    email = _address_in(form.username)
    if len(form.password) > MAX_INPUT:
        raise InvalidCredentials
    _, started = await auth_services.sign_in.sign_in(
        email=email,
        password=form.password,
        client=client,
        kind=SessionKind.BEARER,
    )
    remember_device(response, started)
    return await issue_token_pair(auth_services, started)


@sign_in.post(
    "/refresh",
    response_model=TokenPair,
    summary="Get the next pair of tokens",
    responses=responses(LocalAccountsOff, InvalidRefreshToken, TokenReused),
    dependencies=[require_local_accounts()],
)
@returns_secret
async def refresh_tokens(body: RefreshRequest, client: CurrentClient, auth_services: AuthServicesDep) -> TokenPair:
    """Returns the next pair; the refresh token that was sent is replaced by the new one.

    Sent again within 10 seconds (`REFRESH_REUSE_INTERVAL`), because the response was lost or several tabs refreshed at
    once, it returns the same successor. Later, it was copied: 401 `TOKEN_REUSED`, and the session is revoked.
    """
    started = await auth_services.refresh_tokens.refresh(token=body.refresh_token.get_secret_value(), client=client)
    return await issue_token_pair(auth_services, started)


@sign_in.post(
    "/logout",
    status_code=204,
    summary="Sign out",
    responses=responses(Unauthorized, CsrfFailed, LocalAccountsOff),
)
@idempotency_exempt("A session that has ended cannot end again.")
async def logout(request: Request, session: SessionDep, body: RefreshRequest | None = None) -> Response:
    """Ends the session of the refresh token; without a body that of the cookie or the access token."""
    response = Response(status_code=204)
    if body is not None:
        await sign_out(session, body.refresh_token.get_secret_value())
        return response
    principal = await current_principal(request)
    if principal.session_id_or_none is None:
        raise LocalAccountsOff
    await end_session(session, principal, principal.session_id_or_none)
    clear_session_cookie(response)
    return response


@sign_in.get("/csrf", response_model=CsrfToken, summary="Read the token against forged requests")
async def read_csrf_token(principal: CurrentPrincipal, auth_services: AuthServicesDep) -> CsrfToken:
    """Bound to the session; unsafe requests with the cookie send it as `X-CSRF-Token`."""
    return CsrfToken(csrf_token=auth_services.authenticator.csrf.issue(principal.session_id))


def _secret(value: SecretStr | None) -> list[str]:
    return [] if value is None else [value.get_secret_value()]


def _address_in(username: str) -> str:
    try:
        return parse_email(username)
    except ValidationError as error:
        errors: list[Any] = [{**fault, "loc": ("body", "username")} for fault in error.errors(include_input=False)]
        raise RequestValidationError(errors) from None
