"""Passwords, the email address and the deletion of an account.

A recovery of the account also revokes all other access to it, which an attacker may have created.
"""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.step_up import require_recent_authentication
from undercroft.core.db import Database, Session
from undercroft.core.errors import TooManyRequests
from undercroft.core.events import publish
from undercroft.core.security import passwords
from undercroft.core.security.tokens import hash_token
from undercroft.core.telemetry.redaction import HIDDEN
from undercroft.modules.auth.errors import ConfirmationNeedsSession, LinkInvalid, WrongPassword
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.repository import MailRequestRepository, MailTokenRepository
from undercroft.modules.auth.service.disposable_email import require_permanent_email
from undercroft.modules.auth.service.emails import allow_mail, request_link_mail, request_mail, request_mail_to_user
from undercroft.modules.auth.service.sign_in import AuthServices
from undercroft.modules.auth.service.throttle import clear_failures
from undercroft.modules.sessions import Client, Device, SessionService
from undercroft.modules.users import CredentialsRevoked, NewUser, UserNotFound, UserRepository, UserService


class PasswordService:
    """Resets passwords with emailed links. Each method is one transaction."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    async def request_reset(self, email: str) -> None:
        async with self._database.session() as session:
            await request_link_mail(
                session, MailPurpose.RESET_PASSWORD, email, self._client, action="password.reset_requested"
            )

    async def reset(self, token: str, password: str) -> Device:
        """Set a new password with the token of an emailed link, and revoke all other access.

        Returns the device, which becomes a known device of the account. Raises `LinkInvalid`, `WeakPassword`.
        """
        token_hash = hash_token(token)
        async with self._database.read_session() as read_session:
            user_id = await MailTokenRepository(read_session).subject(MailPurpose.RESET_PASSWORD, token_hash)
            user = await UserRepository(read_session).find(user_id) if user_id else None
        if user is None or not user.is_active:
            raise LinkInvalid
        password_hash = await hash_strong(password, user.email)
        async with self._database.session() as session:
            await _lock_link_owner(session, user.id)
            await _consume_reset_link(session, token_hash, user.id)
            revoked = await _revoke_access(session, user.id)
            changed = await UserService(session).set_password(
                user.id, password_hash, action="user.password_reset", actor_id=user.id, details=revoked
            )
            await clear_failures(session, changed.email, self._client)
            await request_mail_to_user(session, MailPurpose.PASSWORD_WAS_RESET, changed, client=self._client)
        return self._client.device.with_account(changed.email)


class AccountService:
    """Account changes of a signed-in user, who has to enter the password again.

    A user with second factors must also have used one recently, so that a stolen password is not sufficient; otherwise
    raises `StepUpRequired`.
    """

    def __init__(self, auth_services: AuthServices, principal: Principal, client: Client) -> None:
        self._database = auth_services.database
        self._sign_in = auth_services.sign_in
        self._principal = principal
        self._client = client

    @property
    def _user_id(self) -> UUID:
        return self._principal.user_id

    async def change_password(self, *, current: str, new: str) -> None:
        """Set a new password and revoke all other sessions. Raises `WrongPassword`, `WeakPassword`."""
        email = self._email
        passwords.require_strong(new, email=email)
        verified_hash = await self._reauthenticate(current)
        password_hash = await passwords.hash(new, subject=email)
        async with self._database.session() as session:
            await self._lock_user(session, verified_hash)
            user = await UserService(session).set_password(
                self._user_id, password_hash, action="user.password_changed", actor_id=self._user_id
            )
            await MailTokenRepository(session).revoke_links(user.id)
            await SessionService(session).revoke_all(user.id, except_session_id=self._principal.session_id)
            await request_mail_to_user(session, MailPurpose.PASSWORD_CHANGED, user, client=self._client)

    async def request_email_change(self, *, new_email: str, current: str) -> None:
        """Send a link to the new address that confirms the change. Earlier requests are revoked.

        Does not reveal whether another account has the address. Raises `WrongPassword`, `TooManyRequests`.
        """
        require_permanent_email(new_email)
        verified_hash = await self._reauthenticate(current)
        async with self._database.session() as session:
            await self._lock_user(session, verified_hash)
            if not await allow_mail(session, MailPurpose.CONFIRM_EMAIL, str(self._user_id), self._client.device):
                raise TooManyRequests("Too many email changes were requested. Try again later.", retry_after=3600)
            await MailRequestRepository(session).delete_all(self._user_id, MailPurpose.CONFIRM_EMAIL)
            await request_mail(
                session, MailPurpose.CONFIRM_EMAIL, new_email, user_id=self._user_id, client=self._client
            )
            after = {"new_email": new_email}
            await record(
                session, Entry("user.email_change_requested", self._user_id, "user", self._user_id, after=after)
            )

    async def delete(self, *, current: str) -> None:
        """Permanently delete the account. Raises `WrongPassword`, `LastSuperadmin`."""
        email, name = self._email, self._principal.subject["full_name"]
        verified_hash = await self._reauthenticate(current)
        async with self._database.session() as session:
            await UserRepository(session).lock_superadmins()
            await self._lock_user(session, verified_hash)
            await UserService(session).delete(self._user_id)
            await request_mail(session, MailPurpose.ACCOUNT_DELETED, email, full_name=name)

    @property
    def _email(self) -> str:
        email: str = self._principal.subject["email"]
        return email

    async def _reauthenticate(self, password: str) -> str:
        if self._principal.second_factors:
            require_recent_authentication(self._principal)
        return await self._sign_in.require_password(self._user_id, self._email, password, self._client)

    async def _lock_user(self, session: Session, verified_hash: str) -> None:
        """Lock the user. Raises `WrongPassword` if the password was changed since it was verified."""
        if await UserRepository(session).lock_if_password_unchanged(self._user_id, verified_hash) is None:
            raise WrongPassword


async def confirm_email_change(database: Database, *, token: str, device: Device, caller_id: UUID | None) -> None:
    """Change an account's email address to the one that an emailed link verifies.

    The requester may have entered another person's address, whose click on the link must not change a stranger's
    account. So the request must come from a session of the account or from the device that requested the change.
    Raises `LinkInvalid`, `EmailTaken`, `ConfirmationNeedsSession`.
    """
    token_hash = hash_token(token)
    async with database.session() as session:
        request_id = await MailTokenRepository(session).subject(MailPurpose.CONFIRM_EMAIL, token_hash)
        request = await MailRequestRepository(session).find(request_id) if request_id else None
        if request is None or request.user_id is None:
            raise LinkInvalid
        new_email, user_id = request.email, request.user_id
        requester = Client(request.ip, request.user_agent)
        if caller_id != user_id and request.handle_hash != device.handle_hash:
            raise ConfirmationNeedsSession
        await _lock_link_owner(session, user_id)
        if request.id not in await MailRequestRepository(session).delete_all(user_id, MailPurpose.CONFIRM_EMAIL):
            raise LinkInvalid
        before = await UserService(session).change_email(user_id, new_email)
        await MailTokenRepository(session).revoke_links(user_id)
        await request_mail(session, MailPurpose.EMAIL_CHANGED, before, user_id=user_id, client=requester)


async def require_password_reset(session: Session, user_id: UUID, *, by: Principal) -> None:
    """Invalidate a user's credentials and email a link to choose a new password.

    The password, emailed links, sessions and the user's API keys are revoked: an attacker may have created them. The
    administrator must outrank the user. Raises `UserNotFound`, `RoleTooWeak`.
    """
    user = await UserService(session).lock_as_admin(user_id, by=by)
    before = {"password": HIDDEN if user.password_hash else None}
    await UserRepository(session).update(user, {"password_hash": None})
    revoked = await _revoke_access(session, user_id)
    await request_mail_to_user(session, MailPurpose.RESET_REQUIRED, user)
    entry = Entry(
        "user.password_reset_required",
        target_type="user",
        target_id=user_id,
        before=before,
        after={"password": None},
        details=revoked,
    )
    await record(session, entry)


class AccountCommandService:
    """What the commands of `undercroft user` change. Each method is one transaction, audited without an actor."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def promote_to_superadmin(self, email: str) -> bool:
        """Make the user with this address a superadmin. Returns whether there is one."""
        async with self._database.session() as session:
            user = await UserRepository(session).get_by_email(email)
            if user is not None:
                await UserService(session).make_superadmin(user.id)
            return user is not None

    async def create_superadmin(self, *, email: str, password: str, full_name: str) -> None:
        """Create a superadmin. Raises `WeakPassword`, `EmailTaken`."""
        password_hash = await hash_strong(password, email)
        new = NewUser(email=email, password_hash=password_hash, full_name=full_name, role=PlatformRole.SUPERADMIN)
        async with self._database.session() as session:
            await UserService(session).create(new)

    async def set_password(self, *, email: str, password: str) -> None:
        """Set a user's password and revoke all other access. Raises `UserNotFound`, `WeakPassword`."""
        password_hash = await hash_strong(password, email)
        async with self._database.session() as session:
            user = await UserRepository(session).get_by_email(email)
            if user is None:
                raise UserNotFound(f"No account has the email address {email}.")
            revoked = await _revoke_access(session, user.id)
            await UserService(session).set_password(
                user.id, password_hash, action="user.password_changed", actor_id=None, details=revoked
            )
            await request_mail_to_user(session, MailPurpose.PASSWORD_WAS_RESET, user)


async def hash_strong(password: str, email: str) -> str:
    """Hash a new password, before the transaction that stores it. Raises `WeakPassword`, `TooBusy`."""
    passwords.require_strong(password, email=email)
    return await passwords.hash(password, subject=email)


async def _lock_link_owner(session: Session, user_id: UUID) -> None:
    """Lock the user before its links. All code that revokes links does so, so that concurrent requests wait.

    Raises `LinkInvalid` if the user was deleted.
    """
    try:
        await UserRepository(session).lock(user_id)
    except UserNotFound:
        raise LinkInvalid from None


async def _consume_reset_link(session: Session, token_hash: bytes, user_id: UUID) -> None:
    """Delete the link and all other reset links. Raises `LinkInvalid` if a concurrent request has deleted them."""
    tokens, purpose = MailTokenRepository(session), MailPurpose.RESET_PASSWORD
    if await tokens.subject(purpose, token_hash) != user_id or not await tokens.consume(purpose, user_id):
        raise LinkInvalid


async def _revoke_access(session: Session, user_id: UUID) -> dict[str, int]:
    """Revoke all sign-ins and API keys of a user. Returns the numbers of sessions and keys, for the audit log.

    API keys of teams stay valid.
    """
    counts = {"sessions_revoked": await SessionService(session).revoke_sign_ins(user_id)}
    await publish(session, CredentialsRevoked(user_id, counts))
    return counts
