"""Register, verify, sign in, refresh, sign out."""

from typing import Annotated, Any

from fastapi import Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import SecretStr, ValidationError

from undercroft.core.auth import CurrentPrincipal, Router
from undercroft.core.auth.guards import current_principal
from undercroft.core.db import SessionDep
from undercroft.core.errors import Unauthorized
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret, not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.security.passwords import MAX_INPUT, WeakPassword
from undercroft.core.security.threads import TooBusy
from undercroft.core.validation import read_email
from undercroft.modules.auth import registration
from undercroft.modules.auth.answers import (
    CHECK_EMAIL,
    SENT,
    SIGN_IN,
    remember_device,
    require_own_page,
    signed_in,
    token_pair,
)
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.cookies import clear_session_cookie, refuse_cross_site
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.disposable import DisposableAddress
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
from undercroft.modules.auth.human import CAPTCHA, require_human
from undercroft.modules.auth.identity import IdentityDep
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.registration import Verification
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
from undercroft.modules.auth.sessions import end_session, sign_out

sign_in = Router(surface="auth", tag=SIGN_IN)


@sign_in.post(
    "/register",
    status_code=202,
    response_model=Registered,
    summary="Register",
    responses=responses(LocalAccountsOff, DisposableAddress, WeakPassword, *CAPTCHA, TooBusy),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@not_idempotent("It only asks for a mail: the link makes the account, once.")
async def register(
    body: Register, request: Request, response: Response, client: CurrentClient, identity: IdentityDep
) -> Registered:
    """Sends a link to the address. The response is the same whether it has an account or not.

    The link is opened by `POST /auth/verify-email`. It creates the account with this password only together with
    `registration_token`, or with the cookie that has the same value: anybody can register anybody's address.
    """
    await require_human(request, body.captcha_token)
    await registration.register(
        identity.database,
        email=body.email,
        password=body.password.get_secret_value(),
        full_name=body.full_name,
        client=client,
    )
    set_device_cookie(response, client.device)
    return Registered(message=CHECK_EMAIL, registration_token=client.device.handle)


@sign_in.post(
    "/verify-email",
    response_model=VerifiedTokens | VerifiedSession,
    summary="Verify an email address and sign in",
    responses=responses(LocalAccountsOff, LinkInvalid, AlreadyVerified, WeakPassword, CsrfFailed, TooBusy),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@answers_secret
async def verify_email(
    body: VerifyEmail, request: Request, response: Response, client: CurrentClient, identity: IdentityDep
) -> VerifiedTokens | VerifiedSession:
    """Creates the account of a registered address and signs in.

    The registered password and name apply when the request carries the `registration_token` of the registration, or its
    cookie. Otherwise `password` and `full_name` of this request apply, and without a `password` the account has none:
    `has_password` is false then. Later links of the address fail with `EMAIL_ALREADY_VERIFIED`.
    """
    require_own_page(request, body.session)
    verification = Verification(
        token=body.token.get_secret_value(),
        handles=[client.device.handle, *_secret(body.registration_token)],
        password=next(iter(_secret(body.password)), None),
        full_name=body.full_name,
    )
    user, started = await registration.verify_and_sign_in(
        identity.database, verification, client=client, kind=body.session
    )
    made = await signed_in(identity, response, user, started, body.session)
    verified = VerifiedTokens if isinstance(made, TokenPair) else VerifiedSession
    return verified(**dict(made), has_password=user.password_hash is not None)


@sign_in.post(
    "/verify-email/resend",
    status_code=202,
    response_model=Accepted,
    summary="Resend the verification link",
    responses=responses(LocalAccountsOff, *CAPTCHA),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@not_idempotent("It only asks for a mail.")
async def resend_verification(
    body: EmailOnly, request: Request, client: CurrentClient, identity: IdentityDep
) -> Accepted:
    """The response is the same whether the address was registered or not."""
    await require_human(request, body.captcha_token)
    await registration.resend(identity.database, email=body.email, client=client)
    return Accepted(message=SENT)


@sign_in.post(
    "/login",
    response_model=TokenPair | CookieSession,
    summary="Sign in",
    responses=responses(
        LocalAccountsOff, InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA, TooManyAttempts, TooBusy
    ),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@answers_secret
async def login(
    body: SignInRequest, request: Request, response: Response, client: CurrentClient, identity: IdentityDep
) -> TokenPair | CookieSession:
    """Answers with tokens, or sets a cookie when `session` is `cookie`.

    Two-step sign-in: 401 `MFA_REQUIRED`, and `POST /auth/mfa/verify` takes `details.mfa_token` with a second factor.
    """
    require_own_page(request, body.session)
    await require_human(request, body.captcha_token)
    user, started = await identity.sign_in.sign_in(
        email=body.email,
        password=body.password.get_secret_value(),
        client=client,
        kind=body.session,
    )
    return await signed_in(identity, response, user, started, body.session)


@sign_in.post(
    "/token",
    response_model=TokenPair,
    summary="Sign in by an OAuth 2 password form",
    responses=responses(
        LocalAccountsOff, InvalidCredentials, MfaRequired, CsrfFailed, *CAPTCHA, TooManyAttempts, TooBusy
    ),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@answers_secret
async def token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    response: Response,
    client: CurrentClient,
    identity: IdentityDep,
    captcha_token: Annotated[str, Form(max_length=4096)] = "",
) -> TokenPair:
    """For documentation pages and generic clients (RFC 6749, 4.3); `username` is the address.

    Pages of other sites get 403 `CSRF_FAILED`: their form would replace the browser's device cookie.
    """
    refuse_cross_site(request)
    await require_human(request, captcha_token)
    email = _address_in(form.username)
    if len(form.password) > MAX_INPUT:
        raise InvalidCredentials
    _, started = await identity.sign_in.sign_in(
        email=email,
        password=form.password,
        client=client,
        kind=SessionKind.BEARER,
    )
    remember_device(response, started)
    return await token_pair(identity, started)


@sign_in.post(
    "/refresh",
    response_model=TokenPair,
    summary="Get the next pair of tokens",
    responses=responses(LocalAccountsOff, InvalidRefreshToken, TokenReused),
    dependencies=[require_local_accounts()],
)
@answers_secret
async def refresh_tokens(body: RefreshRequest, client: CurrentClient, identity: IdentityDep) -> TokenPair:
    """Returns the next pair; the refresh token that was sent is replaced by the new one.

    Sent again within 10 seconds (`REFRESH_REUSE_INTERVAL`), because the response was lost or several tabs refreshed at
    once, it returns the same successor. Later, it was copied: 401 `TOKEN_REUSED`, and the session is revoked.
    """
    started = await identity.refresh_tokens.refresh(token=body.refresh_token.get_secret_value(), client=client)
    return await token_pair(identity, started)


@sign_in.post(
    "/logout",
    status_code=204,
    summary="Sign out",
    responses=responses(Unauthorized, CsrfFailed, LocalAccountsOff),
)
@not_idempotent("A session that has ended cannot end again.")
async def logout(request: Request, session: SessionDep, body: RefreshRequest | None = None) -> Response:
    """Ends the session of the refresh token; without a body that of the cookie or the access token."""
    response = Response(status_code=204)
    if body is not None:
        await sign_out(session, body.refresh_token.get_secret_value())
        return response
    principal = await current_principal(request)
    if principal.own_session_id is None:
        raise LocalAccountsOff
    await end_session(session, principal, principal.own_session_id)
    clear_session_cookie(response)
    return response


@sign_in.get("/csrf", response_model=CsrfToken, summary="Read the token against forged requests")
async def read_csrf_token(principal: CurrentPrincipal, identity: IdentityDep) -> CsrfToken:
    """Bound to the session; unsafe requests with the cookie send it as `X-CSRF-Token`."""
    return CsrfToken(csrf_token=identity.authenticator.csrf.issue(principal.session_id))


def _secret(value: SecretStr | None) -> list[str]:
    return [] if value is None else [value.get_secret_value()]


def _address_in(username: str) -> str:
    try:
        return read_email(username)
    except ValidationError as error:
        faults: list[Any] = [{**fault, "loc": ("body", "username")} for fault in error.errors(include_input=False)]
        raise RequestValidationError(faults) from None
