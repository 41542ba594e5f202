"""From an address and a password to an account.

Whoever says that an address is theirs gets a pending registration of their own; the account is made from the one whose
mailed link is opened first, and all others of that address are removed. Nothing here looks whether an account exists
while somebody waits for the answer: known and unknown addresses take the same steps.
"""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.security import passwords
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.disposable import require_lasting
from undercroft.modules.auth.errors import LinkInvalid
from undercroft.modules.auth.models import MailPurpose, Registration, SessionKind
from undercroft.modules.auth.outbox import request_mail
from undercroft.modules.auth.repository import RegistrationRepository
from undercroft.modules.auth.sessions import Started, start_session
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users import EmailTaken, NewUser, User, UserRepository, UserService


async def register(database: Database, *, email: str, password: str, full_name: str) -> None:
    """Keep a registration and have its link mailed. Raises `DisposableAddress`, `WeakPassword`, `TooBusy`."""
    from undercroft.modules.auth.tasks import send_verification  # only here: what others use of this loads no tasks

    require_lasting(email)
    passwords.require_good(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    registration = Registration(
        id=new_id(),
        email=email,
        full_name=full_name,
        password_hash=password_hash,
        expires_at=utc_now() + load(AuthSettings).verify_link_life,
    )
    async with database.session() as session:
        session.add(registration)
        await enqueue(session, send_verification, registration_id=registration.id)
        await record(session, Entry("registration.requested", None, "registration", registration.id))


async def resend(database: Database, *, email: str) -> None:
    """Have another link mailed to whoever registered this address last."""
    async with database.session() as session:
        request_id = await request_mail(session, MailPurpose.VERIFY_EMAIL, email)
        await record(session, Entry("registration.link_requested", None, "mail_request", request_id))


async def verify_and_sign_in(
    database: Database, *, token: str, client: Client, kind: SessionKind
) -> tuple[User, Started]:
    """Make the account that a mailed link proves and begin its first session. Raises `LinkInvalid`."""
    async with database.session() as session:
        user = await verify(session, token)
        return user, await start_session(session, user, client, kind)


async def verify(session: Session, token: str) -> User:
    """Make the account that a mailed link proves. Raises `LinkInvalid`.

    The address is held from here to the commit, so of many links opened at once one makes the account and the others
    find nothing.
    """
    registrations = RegistrationRepository(session)
    registration = await registrations.by_token(hash_token(token))
    if registration is None:
        raise LinkInvalid
    new = NewUser(email=registration.email, password_hash=registration.password_hash, full_name=registration.full_name)
    try:
        await UserRepository(session).reserve_email(new.email)
    except EmailTaken:
        raise LinkInvalid from None
    if registration.id not in await registrations.take_all(new.email):
        raise LinkInvalid
    user = await UserService(session).create(new)
    await request_mail(session, MailPurpose.WELCOME, user.email, user_id=user.id, full_name=user.full_name)
    return user
