"""Signing in by a mailed link: whoever reads the mailbox is in, unless there is a second factor to be shown as well."""

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Database
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import LinkInvalid, LinkOfAnotherDevice, MagicLinksOff
from undercroft.modules.auth.external import ensure_local_accounts
from undercroft.modules.auth.models import MailPurpose, SessionKind
from undercroft.modules.auth.outbox import request_link_mail
from undercroft.modules.auth.repository import MailTokenRepository
from undercroft.modules.auth.sessions import StartedSession, start_session
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users import User, UserNotFound, UserRepository


def require_enabled() -> None:
    """Raises `MagicLinksOff` unless MAGIC_LINKS says that they are offered, and `LocalAccountsOff`."""
    ensure_local_accounts()
    if not load(AuthSettings).magic_links:
        raise MagicLinksOff


async def request_link(database: Database, *, email: str, client: Client) -> None:
    """Have a link mailed to an address; whether an account has it is found out by the job that mails it."""
    require_enabled()
    async with database.session() as session:
        request_id = await request_link_mail(session, MailPurpose.MAGIC_LINK, email, client)
        entry = Entry("sign_in.link_requested", None, "mail_request", request_id, person_id=person_id_for_email(email))
        await record(session, entry)


async def sign_in(
    database: Database, *, token: str, client: Client, kind: SessionKind, email: str | None = None
) -> tuple[User, StartedSession]:
    """Begin a session by a link, which works once.

    Somebody could ask for a link to an account of their own and have another person open it, whose browser would then
    be signed in to a stranger's account. So on a device that did not ask for the link, a browser is signed in only to
    the account that it names by its address, `email`.
    Raises `MagicLinksOff`, `LinkInvalid`, `LinkOfAnotherDevice`, `MfaRequired`.
    """
    require_enabled()
    async with database.session() as session:
        tokens = MailTokenRepository(session)
        used = await tokens.use(MailPurpose.MAGIC_LINK, hash_token(token))
        if used is None:
            raise LinkInvalid
        try:
            user = await UserRepository(session).lock(used.subject_id)
        except UserNotFound:
            raise LinkInvalid from None
        if not user.is_active:
            raise LinkInvalid
        is_own = used.handle_hash == client.device.handle_hash or email == user.email
        if kind is SessionKind.COOKIE and not is_own:
            raise LinkOfAnotherDevice(details={"email": user.email})
        await tokens.consume(MailPurpose.MAGIC_LINK, user.id)
        return user, await start_session(session, user, client, kind)
