"""Routes for passwords, email changes and account deletion."""

from fastapi import Request, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.http import Audit, Exempt, Router, When
from undercroft.core.security.passwords import WeakPassword
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth.dependencies import AccountServiceDep, PasswordServiceDep
from undercroft.modules.auth.errors import (
    CAPTCHA_ERRORS,
    ConfirmationNeedsSession,
    DisposableEmail,
    LinkInvalid,
    TooManyAttempts,
    WrongPassword,
)
from undercroft.modules.auth.schemas import (
    LINK_SENT_MESSAGE,
    Accepted,
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    DeleteAccount,
    EmailOnly,
    ResetPassword,
)
from undercroft.modules.auth.service.account import confirm_email_change
from undercroft.modules.auth.service.sign_in import require_captcha
from undercroft.modules.auth.service.throttle import PASSWORD_FAILURES
from undercroft.modules.sessions import (
    CurrentClient,
    LocalAccountsOff,
    SessionServicesDep,
    clear_session_cookies,
    require_local_accounts,
)
from undercroft.modules.teams import LastOwner
from undercroft.modules.users import EmailTaken, LastSuperadmin

credentials = Router(
    surface="auth",
    tag="Auth",
    limit="sign_in",
    errors=(LocalAccountsOff,),
    dependencies=[require_local_accounts()],
)
account = Router(surface="app", prefix="/users", tag="Profile", team_independent=True, api_keys=False)
REAUTHENTICATION_ERRORS = (WrongPassword, StepUpRequired, TooManyAttempts, TooBusy)


@credentials.post(
    "/password/forgot",
    status_code=202,
    audit="password.reset_requested",
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email."),
    summary="Request a password reset link",
    errors=CAPTCHA_ERRORS,
)
async def forgot_password(body: EmailOnly, request: Request, passwords: PasswordServiceDep) -> Accepted:
    """Sends a password reset link. The response is the same whether or not the address has an account."""
    await require_captcha(request, body.captcha_token)
    await passwords.request_reset(body.email)
    return Accepted(message=LINK_SENT_MESSAGE)


@credentials.post(
    "/password/reset",
    status_code=204,
    audit="user.password_reset",
    idempotency=Exempt("The link works once."),
    summary="Reset a password",
    errors=(LinkInvalid, WeakPassword, TooBusy),
)
async def reset_password(body: ResetPassword, response: Response, passwords: PasswordServiceDep) -> None:
    """Sets a new password with the token from an emailed link, which works once. Revokes all sessions of the user."""
    device = await passwords.reset(body.token.get_secret_value(), body.password.get_secret_value())
    device.set_cookie(response)


@credentials.post(
    "/password/change",
    status_code=204,
    audit=Audit("user.password_changed", on_failure=PASSWORD_FAILURES),
    step_up=When("always: the password in the request, plus a recent second factor if the user has one"),
    summary="Change the password of the current user",
    errors=(*REAUTHENTICATION_ERRORS, WeakPassword),
)
async def change_password(body: ChangePassword, own: AccountServiceDep) -> None:
    """Sets a new password and revokes all other sessions."""
    await own.change_password(
        current=body.current_password.get_secret_value(), new=body.new_password.get_secret_value()
    )


@credentials.post(
    "/email/change",
    status_code=202,
    audit=Audit("user.email_change_requested", on_failure=PASSWORD_FAILURES),
    step_up=When("always: the password in the request, plus a recent second factor if the user has one"),
    summary="Request an email change",
    errors=(*REAUTHENTICATION_ERRORS, DisposableEmail),
)
async def change_email(
    body: ChangeEmail, response: Response, client: CurrentClient, own: AccountServiceDep
) -> Accepted:
    """Sends a link to the new address; the change takes effect when it is confirmed.

    The response is the same whether or not another account has the address.
    """
    await own.request_email_change(new_email=body.new_email, current=body.current_password.get_secret_value())
    client.device.set_cookie(response)
    return Accepted(message="Check your email. We sent a link to the new address: open it to confirm the change.")


@credentials.post(
    "/email/confirm",
    status_code=204,
    audit=Audit("user.email_changed", repeatable=("team.domains_revoked",)),
    idempotency=Exempt("The link works once."),
    summary="Confirm an email change",
    errors=(LinkInvalid, EmailTaken, ConfirmationNeedsSession),
)
async def confirm_email(
    body: ConfirmEmail, request: Request, client: CurrentClient, services: SessionServicesDep
) -> None:
    """Changes the account's email address and notifies the old address.

    Send the account's access token or session cookie, or send the request from the browser that requested the change.
    Without either, the response is 403 `CONFIRMATION_NEEDS_SESSION`: the link alone is not sufficient.
    """
    await confirm_email_change(
        services.database,
        token=body.token.get_secret_value(),
        device=client.device,
        caller_id=await services.authenticator.caller_id(request),
    )


@account.delete(
    "/me",
    status_code=204,
    audit=Audit(
        "user.deleted", repeatable=("team.deleted", "member.left", "team.domains_revoked"), on_failure=PASSWORD_FAILURES
    ),
    step_up=When("always: the password in the request, plus a recent second factor if the user has one"),
    limit="sign_in",
    summary="Delete the current user",
    errors=(*REAUTHENTICATION_ERRORS, LastSuperadmin, LastOwner),
)
async def delete_profile(body: DeleteAccount, own: AccountServiceDep) -> Response:
    """Permanently deletes the account: removes personal data and revokes all sessions. The address can register again.

    Fails if the user is the last owner of a team with other members. Teams without other members are deleted.
    """
    await own.delete(current=body.current_password.get_secret_value())
    response = Response(status_code=204)
    clear_session_cookies(response)
    return response
