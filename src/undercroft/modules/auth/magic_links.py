"""Sign-in with an emailed link. A user with a second factor still has to use it."""

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
    """Raise `MagicLinksOff` unless MAGIC_LINKS is enabled, and `LocalAccountsOff` with external accounts."""
    ensure_local_accounts()
    if not load(AuthSettings).magic_links:
        raise MagicLinksOff


async def request_link(database: Database, *, email: str, client: Client) -> None:
    """Request a sign-in email for an address. The job that sends it looks up whether an account has the address."""
    require_enabled()
    async with database.session() as session:
        request_id = await request_link_mail(session, MailPurpose.MAGIC_LINK, email, client)
        entry = Entry("sign_in.link_requested", None, "mail_request", request_id, person_id=person_id_for_email(email))
        await record(session, entry)


async def sign_in(
    database: Database, *, token: str, client: Client, kind: SessionKind, email: str | None = None
) -> tuple[User, StartedSession]:
    """Start a session with the token of an emailed link, which works once.

    An attacker could request a link to the attacker's account and trick a victim into opening it, which would sign the
    victim's browser in to that account. So a browser on another device must confirm the account's address with `email`.
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
        is_confirmed = used.handle_hash == client.device.handle_hash or email == user.email
        if kind is SessionKind.COOKIE and not is_confirmed:
            raise LinkOfAnotherDevice(details={"email": user.email})
        await tokens.consume(MailPurpose.MAGIC_LINK, user.id)
        return user, await start_session(session, user, client, kind)
