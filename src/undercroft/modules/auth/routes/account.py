"""Passwords, the address, and the end of an account."""

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
    summary="Ask for a link to set a password",
    responses=responses(*CAPTCHA_ERRORS),
)
@limit("sign_in_request")
@idempotency_exempt("It only asks for a mail.")
async def forgot_password(
    body: EmailOnly, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> Accepted:
    """The answer is the same whether the address has an account or not."""
    await require_captcha(request, body.captcha_token)
    await credentials.forgot_password(auth_services.database, email=body.email, client=client)
    return Accepted(message=LINK_SENT_MESSAGE)


@passwords.post(
    "/password/reset",
    status_code=204,
    summary="Set a password by a mailed link",
    responses=responses(LinkInvalid, WeakPassword, TooBusy),
)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def reset_password(
    body: ResetPassword, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> None:
    """Ends all sessions. The link works once."""
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
    summary="Change one's own password",
    responses=responses(*REAUTHENTICATION_ERRORS, WeakPassword),
)
@limit("sign_in")
@step_up_when("always: by the password in the request, and by a second factor of those who have one")
async def change_password(body: ChangePassword, own: AccountServiceDep) -> None:
    """Ends all other sessions."""
    await own.change_password(
        current=body.current_password.get_secret_value(), new=body.new_password.get_secret_value()
    )


@passwords.post(
    "/email/change",
    status_code=202,
    response_model=Accepted,
    summary="Ask to move to another address",
    responses=responses(*REAUTHENTICATION_ERRORS, DisposableEmail),
)
@limit("sign_in")
@step_up_when("always: by the password in the request, and by a second factor of those who have one")
async def change_email(
    body: ChangeEmail, response: Response, client: CurrentClient, own: AccountServiceDep
) -> Accepted:
    """Sends a link to the new address; nothing changes before it is opened. The response reveals no account."""
    await own.request_email_change(new_email=body.new_email, current=body.current_password.get_secret_value())
    set_device_cookie(response, client.device)
    return Accepted(message="Check the email of the new address: open the link that we sent there.")


@passwords.post(
    "/email/confirm",
    status_code=204,
    summary="Confirm a new address",
    responses=responses(LinkInvalid, EmailTaken, ConfirmationNeedsSession),
)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def confirm_email(
    body: ConfirmEmail, request: Request, client: CurrentClient, auth_services: AuthServicesDep
) -> None:
    """Moves the account to the address that the mailed link verifies, and notifies the earlier one.

    Send it with the account's access token or session cookie, or from the browser that requested the change: the link
    alone does not move a stranger's account to the address of whoever opens it.
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
    summary="Delete one's own account",
    responses=responses(*REAUTHENTICATION_ERRORS, LastSuperadmin, LastOwner),
)
@limit("sign_in")
@step_up_when("always: by the password in the request, and by a second factor of those who have one")
async def delete_profile(body: DeleteAccount, own: AccountServiceDep) -> Response:
    """For good: personal data is removed, all sessions end, and the address may register again.

    Refused while a team that others belong to has no other owner; teams that nobody else belongs to are deleted.
    """
    await own.delete(current=body.current_password.get_secret_value())
    response = Response(status_code=204)
    clear_session_cookie(response)
    return response
