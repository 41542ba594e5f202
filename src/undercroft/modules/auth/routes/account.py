"""Routes for passwords, email changes and account deletion."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.http import INTERACTIVE, CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.step_up_policy import step_up_when
from undercroft.core.security.passwords import WeakPassword
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth import credentials
from undercroft.modules.auth.captcha import CAPTCHA_ERRORS, require_captcha
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.cookies import clear_session_cookie
from undercroft.modules.auth.credentials import AccountService
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.disposable_email import DisposableEmail
from undercroft.modules.auth.errors import ConfirmationNeedsSession, LinkInvalid, TooManyAttempts, WrongPassword
from undercroft.modules.auth.external import LocalAccountsOff, require_local_accounts
from undercroft.modules.auth.responses import LINK_SENT_MESSAGE, SIGN_IN
from undercroft.modules.auth.schemas import (
    Accepted,
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    DeleteAccount,
    EmailOnly,
    ResetPassword,
)
from undercroft.modules.auth.services import AuthServicesDep
from undercroft.modules.teams import LastOwner
from undercroft.modules.users import EmailTaken, LastSuperadmin

LOCAL_ONLY: dict[str, Any] = {"dependencies": [require_local_accounts()], "responses": responses(LocalAccountsOff)}

passwords = Router(surface="auth", tag=SIGN_IN, **LOCAL_ONLY)
account = Router(surface="app", prefix="/users", tag="Profile", team_independent=True, dependencies=[INTERACTIVE])


async def get_account_service(
    principal: CurrentPrincipal, auth_services: AuthServicesDep, client: CurrentClient
) -> AccountService:
    return AccountService(auth_services.database, auth_services.sign_in, principal, client)


AccountServiceDep = Annotated[AccountService, Depends(get_account_service)]
REAUTHENTICATION_ERRORS = (WrongPassword, StepUpRequired, TooManyAttempts, TooBusy)


@passwords.post(
    "/password/forgot",
    status_code=202,
    response_model=Accepted,
    summary="Request a password reset link",
    responses=responses(*CAPTCHA_ERRORS),
)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email.")
async def forgot_password(
    body: EmailOnly, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> Accepted:
    """Sends a password reset link. The response is the same whether or not the address has an account."""
    await require_captcha(request, body.captcha_token)
    await credentials.forgot_password(auth_services.database, email=body.email, client=client)
    return Accepted(message=LINK_SENT_MESSAGE)


@passwords.post(
    "/password/reset",
    status_code=204,
    summary="Reset a password",
    responses=responses(LinkInvalid, WeakPassword, TooBusy),
)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def reset_password(
    body: ResetPassword, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> None:
    """Sets a new password with the token from an emailed link, which works once. Revokes all sessions of the user."""
    device = await credentials.reset_password(
        auth_services.database,
        token=body.token.get_secret_value(),
        password=body.password.get_secret_value(),
        client=client,
    )
    set_device_cookie(response, device)


@passwords.post(
    "/password/change",
    status_code=204,
    summary="Change the password of the current user",
    responses=responses(*REAUTHENTICATION_ERRORS, WeakPassword),
)
@limit("sign_in")
@step_up_when("always: the password in the request, plus a recent second factor if the user has one")
async def change_password(body: ChangePassword, own: AccountServiceDep) -> None:
    """Sets a new password and revokes all other sessions."""
    await own.change_password(
        current=body.current_password.get_secret_value(), new=body.new_password.get_secret_value()
    )


@passwords.post(
    "/email/change",
    status_code=202,
    response_model=Accepted,
    summary="Request an email change",
    responses=responses(*REAUTHENTICATION_ERRORS, DisposableEmail),
)
@limit("sign_in")
@step_up_when("always: the password in the request, plus a recent second factor if the user has one")
async def change_email(
    body: ChangeEmail, response: Response, client: CurrentClient, own: AccountServiceDep
) -> Accepted:
    """Sends a link to the new address; the change takes effect when it is confirmed.

    The response is the same whether or not another account has the address.
    """
    await own.request_email_change(new_email=body.new_email, current=body.current_password.get_secret_value())
    set_device_cookie(response, client.device)
    return Accepted(message="Check your email. We sent a link to the new address: open it to confirm the change.")


@passwords.post(
    "/email/confirm",
    status_code=204,
    summary="Confirm an email change",
    responses=responses(LinkInvalid, EmailTaken, ConfirmationNeedsSession),
)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def confirm_email(
    body: ConfirmEmail, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> None:
    """Changes the account's email address and notifies the old address.

    Send the account's access token or session cookie, or send the request from the browser that requested the change.
    Without either, the response is 403 `CONFIRMATION_NEEDS_SESSION`: the link alone is not sufficient.
    """
    await credentials.confirm_email(
        auth_services.database,
        token=body.token.get_secret_value(),
        device=client.device,
        caller_id=await auth_services.authenticator.caller_id(request),
    )


@account.delete(
    "/me",
    status_code=204,
    summary="Delete the current user",
    responses=responses(*REAUTHENTICATION_ERRORS, LastSuperadmin, LastOwner),
)
@limit("sign_in")
@step_up_when("always: the password in the request, plus a recent second factor if the user has one")
async def delete_profile(body: DeleteAccount, own: AccountServiceDep) -> Response:
    """Permanently deletes the account: removes personal data and revokes all sessions. The address can register again.

    Fails if the user is the last owner of a team with other members. Teams without other members are deleted.
    """
    await own.delete(current=body.current_password.get_secret_value())
    response = Response(status_code=204)
    clear_session_cookie(response)
    return response
