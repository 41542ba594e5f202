"""Routes to register, verify an email address, sign in, refresh tokens and sign out."""

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
    summary="Register an account",
    responses=responses(LocalAccountsOff, DisposableEmail, WeakPassword, *CAPTCHA_ERRORS, TooBusy),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email. The link in it creates the account once.")
async def register(
    body: Register, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> Registered:
    """Sends a verification link. The response is the same whether or not the address has an account.

    Send the token of the link to `POST /auth/verify-email` together with `registration_token`, or with the cookie from
    this response. Only then is the account created with this password, because anyone can register any address.
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

    The registered password and name apply if the request has the `registration_token` or cookie of the registration.
    Otherwise `password` and `full_name` of this request apply; without a `password` the account has none and
    `has_password` is false. Other links for the same address then fail with `EMAIL_ALREADY_VERIFIED`.
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
    signed_in = await build_sign_in_response(auth_services, response, user, started, body.session)
    verified = VerifiedTokens if isinstance(signed_in, TokenPair) else VerifiedSession
    return verified(**dict(signed_in), has_password=user.password_hash is not None)


@sign_in.post(
    "/verify-email/resend",
    status_code=202,
    response_model=Accepted,
    summary="Resend the verification link",
    responses=responses(LocalAccountsOff, *CAPTCHA_ERRORS),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email.")
async def resend_verification(
    body: EmailOnly, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> Accepted:
    """Sends a new verification link. The response is the same whether or not the address was registered."""
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
    """Returns tokens, or sets a session cookie if `session` is `cookie`.

    If the user has a second factor, the response is 401 `MFA_REQUIRED`. Send `details.mfa_token` and the second factor
    to `POST /auth/mfa/verify`.
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
    summary="Sign in with an OAuth 2.0 password grant",
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
    """For API documentation pages and generic OAuth 2.0 clients (RFC 6749, 4.3). `username` is the email address.

    Cross-site requests of browsers get 403 `CSRF_FAILED`, because the response sets the device cookie.
    """
    refuse_cross_site(request)
    await require_captcha(request, captcha_token)
    email = _parse_username(form.username)
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
    summary="Refresh tokens",
    responses=responses(LocalAccountsOff, InvalidRefreshToken, TokenReused),
    dependencies=[require_local_accounts()],
)
@returns_secret
async def refresh_tokens(body: RefreshRequest, client: CurrentClient, auth_services: AuthServicesDep) -> TokenPair:
    """Returns a new token pair. The new refresh token replaces the one in the request.

    A retry within 10 seconds (`REFRESH_REUSE_INTERVAL`), for example after a lost response or from another tab, returns
    the same refresh token again. After that, reuse returns 401 `TOKEN_REUSED` and revokes the session.
    """
    started = await auth_services.refresh_tokens.refresh(token=body.refresh_token.get_secret_value(), client=client)
    return await issue_token_pair(auth_services, started)


@sign_in.post(
    "/logout",
    status_code=204,
    summary="Sign out",
    responses=responses(Unauthorized, CsrfFailed, LocalAccountsOff),
)
@idempotency_exempt("Revoking a session twice has no further effect.")
async def logout(request: Request, session: SessionDep, body: RefreshRequest | None = None) -> Response:
    """Revokes the session of the refresh token or, without a body, of the cookie or access token."""
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


@sign_in.get("/csrf", response_model=CsrfToken, summary="Get a CSRF token")
async def read_csrf_token(principal: CurrentPrincipal, auth_services: AuthServicesDep) -> CsrfToken:
    """Returns a token bound to the session. Send it as `X-CSRF-Token` with unsafe requests that use the cookie."""
    return CsrfToken(csrf_token=auth_services.authenticator.csrf.issue(principal.session_id))


def _secret(value: SecretStr | None) -> list[str]:
    return [] if value is None else [value.get_secret_value()]


def _parse_username(username: str) -> str:
    try:
        return parse_email(username)
    except ValidationError as error:
        errors: list[Any] = [{**each, "loc": ("body", "username")} for each in error.errors(include_input=False)]
        raise RequestValidationError(errors) from None
