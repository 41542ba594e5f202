"""Registration and email verification.

Anyone can register any address, so the emailed link alone must not apply the input of the registration. Verification
applies the password and name of a registration only on the device that made it. On another device, the user who opens
the link chooses them, or the account has no password until the user sets one with a reset link. So an account never
gets a password that a stranger chose, whichever of several links is opened, and the owner can use any of them.

Who may sign up is decided twice: before a registration is stored, and again in the transaction that creates the
account, because the policy may have changed since then.

No request looks up whether an account exists: known and unknown addresses take the same steps. Passwords are hashed
before a transaction starts.
"""

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Database, ReadSession, Session, utc_now
from undercroft.core.hooks import decide
from undercroft.core.security.passwords import WeakPassword
from undercroft.core.security.tokens import hash_token
from undercroft.jobs import enqueue
from undercroft.modules.auth.errors import AlreadyVerified, LinkInvalid, PasswordChoiceRequired
from undercroft.modules.auth.models import MailPurpose, Registration
from undercroft.modules.auth.repository import MailTokenRepository, RegistrationRepository
from undercroft.modules.auth.service.account import hash_strong
from undercroft.modules.auth.service.disposable_email import require_permanent_email
from undercroft.modules.auth.service.emails import allow_mail, link_lifetime, request_link_mail, request_mail_to_user
from undercroft.modules.sessions import Client, SessionKind, SessionService, StartedSession
from undercroft.modules.teams import JoinService, UserTeam
from undercroft.modules.users import EmailTaken, SignUp, SignUpMethod, SignUpWaitlisted, User, UserService


class RegistrationNotice(Struct, frozen=True):
    """What the registration page tells new users, empty for nothing. A module adds it to the context at startup."""

    text: Callable[[], str]
    without_password: bool = False
    """While there is a notice, the page asks for no password."""


class RegistrationService:
    """Registers accounts for a client. Each method is one transaction."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    async def register(self, *, email: str, password: str, full_name: str) -> None:
        """Store a registration and request its email.

        Raises `DisposableEmail`, `WeakPassword`, `TooBusy` and what hooks of `SignUp` raise. With `SignUpWaitlisted`,
        nothing of the registration is stored; then the password can be empty.
        """
        from undercroft.modules.auth.tasks import send_verification  # imported late: callers do not need the tasks

        require_permanent_email(email)
        password_hash = await hash_strong(password, email) if password else None
        async with self._database.session() as session:
            await self._decide(session, email, full_name, action="registration.requested")
            if password_hash is None:
                raise WeakPassword("Choose a password.")
            registration = Registration(
                email=email,
                full_name=full_name,
                password_hash=password_hash,
                expires_at=utc_now() + link_lifetime(MailPurpose.VERIFY_EMAIL),
                **self._client.request_columns(),
            )
            session.add(registration)
            if await allow_mail(session, MailPurpose.VERIFY_EMAIL, email, self._client.device):
                await enqueue(session, send_verification, registration_id=registration.id)
            entry = Entry(
                "registration.requested", None, "registration", registration.id, person_id=person_id_for_email(email)
            )
            await record(session, entry)

    async def resend(self, email: str) -> None:
        """Request another email for the registration of this device, or else for the newest one of the address.

        Raises what hooks of `SignUp` raise. With `SignUpWaitlisted`, the waiting list sends its email.
        """
        action = "registration.link_requested"
        async with self._database.session() as session:
            await self._decide(session, email, "", action=action)
            await request_link_mail(session, MailPurpose.VERIFY_EMAIL, email, self._client, action=action)

    async def verify(self, token: str, *, password: str | None = None, full_name: str | None = None) -> User:
        """Create the account of a registration, with a password.

        `password` and `full_name` replace the registered ones. Raises `PasswordChoiceRequired`, `LinkInvalid`,
        `AlreadyVerified`, `DisposableEmail`, `WeakPassword`, `TooBusy` and what hooks of `SignUp` raise.
        """
        chosen = await self._hash_choice(token, password)
        async with self._database.session() as session:
            user = await _create_account(session, token, [self._client.device.handle], chosen, full_name)
            if user.password_hash is None:
                raise PasswordChoiceRequired
            return user

    async def verify_and_sign_in(
        self,
        token: str,
        *,
        kind: SessionKind,
        registration_token: str | None = None,
        password: str | None = None,
        full_name: str | None = None,
    ) -> tuple[User, StartedSession]:
        """Like `verify`, and start the account's first session. Without a chosen password, the account may have none.

        `registration_token` is the handle of the registering device, from a client that does not store cookies.
        """
        handles = [handle for handle in (self._client.device.handle, registration_token) if handle is not None]
        chosen = await self._hash_choice(token, password)
        async with self._database.session() as session:
            user = await _create_account(session, token, handles, chosen, full_name)
            return user, await SessionService(session).start(user, self._client, kind)

    async def register_invited(self, token: str, *, password: str, full_name: str) -> tuple[UserTeam, StartedSession]:
        """Create an account for the address of an invitation, which its link verifies; accept and sign in.

        All in one transaction. Raises `WeakPassword`, `TooBusy`, `EmailTaken`, the errors of `JoinService` and what
        hooks of `SignUp` raise.
        """
        async with self._database.read_session() as read_session:
            email = (await JoinService(read_session).get_invitation(token)).email
        password_hash = await hash_strong(password, email)
        sign_up = SignUp(email=email, full_name=full_name, method=SignUpMethod.INVITATION, is_invited=True)
        async with self._database.session() as session:
            user = await UserService(session).sign_up(sign_up, password_hash)
            await _welcome(session, user, await RegistrationRepository(session).delete_all(email))
            joined = await JoinService(session).accept_invitation(token, user.id)
            return joined, await SessionService(session).start(user, self._client, SessionKind.COOKIE)

    async def _decide(self, session: Session, email: str, full_name: str, *, action: str) -> None:
        sign_up = SignUp(email=email, full_name=full_name, method=SignUpMethod.REGISTRATION, email_verified=False)
        try:
            await decide(session, sign_up)
        except SignUpWaitlisted:  # commits: an owner of an account gets the same email as otherwise
            await request_link_mail(session, MailPurpose.ALREADY_REGISTERED, email, self._client, action=action)
            raise

    async def _hash_choice(self, token: str, password: str | None) -> str | None:
        if password is None:
            return None
        async with self._database.read_session() as read_session:
            email = (await _get_registration(read_session, token)).email
        return await hash_strong(password, email)


async def _create_account(
    session: Session, token: str, handles: Collection[str], chosen: str | None, full_name: str | None
) -> User:
    """Create the account. Locks the address until the commit, so that only one of several concurrent requests does."""
    opened = await _get_registration(session, token)
    require_permanent_email(opened.email)
    registrations = await RegistrationRepository(session).list_all(opened.email)
    own = _find_own_registration(registrations, opened, handles)
    password_hash, registered_name = (own.password_hash, own.full_name) if own is not None else (None, "")
    sign_up = SignUp(
        email=opened.email,
        full_name=registered_name if full_name is None else full_name,
        method=SignUpMethod.REGISTRATION,
    )
    try:
        user = await UserService(session).sign_up(sign_up, chosen or password_hash)
    except EmailTaken:
        raise AlreadyVerified from None
    deleted = await RegistrationRepository(session).delete_all(opened.email)
    if opened.id not in {each.id for each in deleted}:
        raise AlreadyVerified
    await _welcome(session, user, deleted)
    return user


async def _welcome(session: Session, user: User, registrations: Sequence[Registration]) -> None:
    """Let the links of deleted registrations report that the address is verified, and send the welcome email."""
    await MailTokenRepository(session).reassign(registrations, user.id)
    await request_mail_to_user(session, MailPurpose.WELCOME, user)


async def _get_registration(session: ReadSession, token: str) -> Registration:
    """Return the registration of a link. Raises `LinkInvalid`, or `AlreadyVerified` if the account exists."""
    token_hash = hash_token(token)
    found = await RegistrationRepository(session).find_by_token(token_hash)
    if found is not None:
        return found
    if await MailTokenRepository(session).subject(MailPurpose.VERIFY_EMAIL, token_hash) is not None:
        raise AlreadyVerified
    raise LinkInvalid


def _find_own_registration(
    registrations: Sequence[Registration], opened: Registration, handles: Collection[str]
) -> Registration | None:
    """Return the registration that this device made: that of the link, else the newest; None if it made none."""
    hashes = {hash_token(handle) for handle in handles}
    own = [each for each in registrations if each.handle_hash in hashes]
    return max(own, key=lambda each: (each.id == opened.id, each.created_at), default=None)
