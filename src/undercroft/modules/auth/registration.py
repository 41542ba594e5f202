"""Registration and email verification.

Anyone can register any address, so the emailed link alone must not apply the input of the registration. Verification
applies the password and name of a registration only on the device that made it. On another device, the user who opens
the link chooses them, or the account has no password until the user sets one with a reset link. So an account never
gets a password that a stranger chose, whichever of several links is opened, and the owner can use any of them.

No request looks up whether an account exists: known and unknown addresses take the same steps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Database, ReadSession, Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.security import passwords
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.disposable_email import require_permanent_email
from undercroft.modules.auth.errors import AlreadyVerified, LinkInvalid, PasswordChoiceRequired
from undercroft.modules.auth.models import MailPurpose, Registration, SessionKind
from undercroft.modules.auth.outbox import request_link_mail, request_mail
from undercroft.modules.auth.repository import MailTokenRepository, RegistrationRepository
from undercroft.modules.auth.sessions import StartedSession, start_session
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.auth.throttle import allow_mail
from undercroft.modules.users import EmailTaken, NewUser, User, UserRepository, UserService


@dataclass(frozen=True, slots=True)
class Verification:
    """The token of an emailed link, with handles of the requesting device, and an optional password and name."""

    token: str = field(repr=False)
    handles: Collection[str] = field(repr=False)
    password: str | None = field(default=None, repr=False)
    full_name: str | None = None


async def register(database: Database, *, email: str, password: str, full_name: str, client: Client) -> None:
    """Store a registration and request its email. Raises `DisposableEmail`, `WeakPassword`, `TooBusy`."""
    from undercroft.modules.auth.tasks import send_verification  # imported late: callers do not need the tasks

    require_permanent_email(email)
    passwords.require_strong(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    registration = Registration(
        id=new_id(),
        email=email,
        full_name=full_name,
        password_hash=password_hash,
        expires_at=utc_now() + load(AuthSettings).verify_link_lifetime,
        **client.request_columns(),
    )
    async with database.session() as session:
        session.add(registration)
        if await allow_mail(session, MailPurpose.VERIFY_EMAIL, email, client.device):
            await enqueue(session, send_verification, registration_id=registration.id)
        entry = Entry(
            "registration.requested", None, "registration", registration.id, person_id=person_id_for_email(email)
        )
        await record(session, entry)


async def resend(database: Database, *, email: str, client: Client) -> None:
    """Request another email for the registration of this device, or else for the newest one of the address."""
    async with database.session() as session:
        request_id = await request_link_mail(session, MailPurpose.VERIFY_EMAIL, email, client)
        entry = Entry(
            "registration.link_requested", None, "mail_request", request_id, person_id=person_id_for_email(email)
        )
        await record(session, entry)


async def verify_and_sign_in(
    database: Database, verification: Verification, *, client: Client, kind: SessionKind
) -> tuple[User, StartedSession]:
    """Create the account and start its first session. Without a password in the request, the account may have none.

    Raises `LinkInvalid`, `AlreadyVerified`, `WeakPassword`, `TooBusy`.
    """
    chosen = await _hash_password(database, verification)
    async with database.session() as session:
        user = await _create_account(session, verification, chosen)
        return user, await start_session(session, user, client, kind)


async def verify(database: Database, verification: Verification) -> User:
    """Create the account with a password. Raises `PasswordChoiceRequired` and the errors of `verify_and_sign_in`."""
    chosen = await _hash_password(database, verification)
    async with database.session() as session:
        user = await _create_account(session, verification, chosen)
        if user.password_hash is None:
            raise PasswordChoiceRequired
        return user


async def _hash_password(database: Database, verification: Verification) -> str | None:
    """Hash the password of the verification before the transaction starts; None without one."""
    if verification.password is None:
        return None
    async with database.read_session() as read_session:
        email = (await _get_registration(read_session, verification.token)).email
    passwords.require_strong(verification.password, email=email)
    return await passwords.hash(verification.password, subject=email)


async def _create_account(session: Session, verification: Verification, chosen: str | None) -> User:
    """Create the account. Locks the address until the commit, so that only one of several concurrent requests does."""
    opened = await _get_registration(session, verification.token)
    try:
        await UserRepository(session).reserve_email(opened.email)
    except EmailTaken:
        raise AlreadyVerified from None
    registrations = await RegistrationRepository(session).delete_all(opened.email)
    if opened.id not in {each.id for each in registrations}:
        raise AlreadyVerified
    own = _find_own_registration(registrations, opened, verification.handles)
    password_hash, full_name = (own.password_hash, own.full_name) if own is not None else (None, "")
    if verification.full_name is not None:
        full_name = verification.full_name
    user = await UserService(session).create(
        NewUser(email=opened.email, password_hash=chosen or password_hash, full_name=full_name)
    )
    await MailTokenRepository(session).reassign(registrations, user.id)
    await request_mail(session, MailPurpose.WELCOME, user.email, user_id=user.id, full_name=user.full_name)
    return user


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
