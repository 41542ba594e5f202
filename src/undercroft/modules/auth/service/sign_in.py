"""Sign-in with a password or an emailed link.

Known and unknown addresses take the same steps and the same time. A user with a second factor still has to use it.
"""

from typing import Any
from uuid import UUID

from msgspec import Struct
from starlette.requests import Request

from undercroft.core.audit import Entry, record
from undercroft.core.context import current_context
from undercroft.core.db import Database, Session
from undercroft.core.errors import AppError
from undercroft.core.http.settings import HttpSettings
from undercroft.core.security import passwords
from undercroft.core.security.passwords import PasswordMatch
from undercroft.core.security.threads import TooBusy
from undercroft.core.security.tokens import hash_token
from undercroft.core.settings import load
from undercroft.modules.auth.errors import (
    CaptchaFailed,
    CaptchaRequired,
    CaptchaServiceUnavailable,
    InvalidCredentials,
    LinkInvalid,
    LinkOfAnotherDevice,
    MagicLinksOff,
    WrongPassword,
)
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.repository import MailTokenRepository, find_credentials
from undercroft.modules.auth.service.emails import request_link_mail
from undercroft.modules.auth.service.throttle import SignInAttempt, Throttle
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.sessions import (
    Client,
    SessionKind,
    SessionService,
    StartedSession,
    client_ip,
    ensure_local_accounts,
)
from undercroft.modules.users import User, UserNotFound, UserRepository
from undercroft.providers.captcha import Captcha, CaptchaSettings, CaptchaUnavailable


class SignInService:
    """Verifies passwords and counts failures."""

    def __init__(self, database: Database, throttle: Throttle) -> None:
        self._database = database
        self._throttle = throttle

    async def sign_in(
        self, *, email: str, password: str, client: Client, kind: SessionKind
    ) -> tuple[User, StartedSession]:
        """Start a session.

        Raises `InvalidCredentials`, `MfaRequired`, `TooManyAttempts`, `TooBusy` and what hooks of `SignIn` raise.
        """
        ensure_local_accounts()
        attempt = await self._throttle.begin(email, client)
        found, match = await self._check(attempt, email, password)
        stronger = await self._rehash(email, password, found["password_hash"], match) if match else None
        try:
            async with self._database.session() as session:
                user = (
                    await UserRepository(session).lock_if_password_unchanged(found["id"], found["password_hash"])
                    if match
                    else None
                )
                if user is None:
                    await _record_failure(session, found["id"] if found else None)
                    raise InvalidCredentials
                await self._throttle.succeed(session, attempt)
                if stronger:
                    await UserRepository(session).update(user, {"password_hash": stronger})
                return user, await SessionService(session).start(user, client, kind)
        except AppError as error:
            await self._throttle.withdraw_refused(attempt, error, verified=bool(match))
            raise

    async def require_password(self, user_id: UUID, email: str, password: str, client: Client) -> str:
        """Verify the password of a signed-in user, and return the stored hash.

        Before it changes anything, the caller locks the user with this hash
        (`UserRepository.lock_if_password_unchanged`). Raises `WrongPassword`, `TooManyAttempts`, `TooBusy`.
        """
        attempt = await self._throttle.begin(email, client)
        found, match = await self._check(attempt, email, password)
        async with self._throttle.session() as session:
            if not match or found["id"] != user_id:
                await _record_failure(session, user_id)
                raise WrongPassword
            await self._throttle.succeed(session, attempt)
        password_hash: str = found["password_hash"]
        return password_hash

    async def _check(self, attempt: SignInAttempt, email: str, password: str) -> tuple[Any, PasswordMatch]:
        found = await find_credentials(self._database, email)
        try:
            return found, await passwords.verify(password, found and found["password_hash"], subject=email)
        except TooBusy:
            await self._throttle.withdraw(attempt)
            raise

    async def _rehash(self, email: str, password: str, stored: str, match: PasswordMatch) -> str | None:
        """Return a hash with the current parameters and normalization, if the stored one has older ones."""
        if match is PasswordMatch.UNNORMALIZED or passwords.needs_rehash(stored):
            return await passwords.hash(password, subject=email)
        return None


class MagicLinkService:
    """Signs a client in with emailed links. Each method is one transaction.

    Raises `MagicLinksOff` unless MAGIC_LINKS is enabled, and `LocalAccountsOff` with external accounts.
    """

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    def require_enabled(self) -> None:
        """Raise the errors above. The other methods do so too."""
        ensure_local_accounts()
        if not load(AuthSettings).magic_links:
            raise MagicLinksOff

    async def request(self, email: str) -> None:
        """Request a sign-in email for an address. The job that sends it looks up whether an account has the address."""
        self.require_enabled()
        async with self._database.session() as session:
            await request_link_mail(
                session, MailPurpose.MAGIC_LINK, email, self._client, action="sign_in.link_requested"
            )

    async def sign_in(self, token: str, *, kind: SessionKind, email: str | None = None) -> tuple[User, StartedSession]:
        """Start a session with the token of an emailed link, which works once.

        An attacker could request a link to the attacker's account and trick a victim into opening it, which would sign
        the victim's browser in to that account. So a browser on another device must confirm the account's address with
        `email`. Raises `LinkInvalid`, `LinkOfAnotherDevice`, `MfaRequired`.
        """
        self.require_enabled()
        async with self._database.session() as session:
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
            is_confirmed = used.handle_hash == self._client.device.handle_hash or email == user.email
            if kind is SessionKind.COOKIE and not is_confirmed:
                raise LinkOfAnotherDevice(details={"email": user.email})
            await tokens.consume(MailPurpose.MAGIC_LINK, user.id)
            return user, await SessionService(session).start(user, self._client, kind)


class AuthServices(Struct, frozen=True):
    """The components of sign-in, created once for each application and stored in its context."""

    database: Database
    throttle: Throttle
    sign_in: SignInService
    captcha: Captcha

    @classmethod
    def create(cls, database: Database) -> "AuthServices":
        throttle = Throttle(database, scale=load(HttpSettings).scale)
        return cls(database, throttle, SignInService(database, throttle), Captcha())


async def require_captcha(request: Request, token: str | None) -> None:
    """Verify a captcha response, before any lookup and before any attempt is counted.

    Does nothing if no captcha is configured. Raises `CaptchaRequired`, `CaptchaFailed`, `CaptchaServiceUnavailable`.
    """
    captcha = current_context().get(AuthServices).captcha
    if captcha.service is None:
        return
    if not token:
        settings = load(CaptchaSettings)
        details = {"provider": settings.captcha_provider, "site_key": settings.captcha_site_key}
        raise CaptchaRequired(details=details)
    try:
        if not await captcha.verify(token, client_ip(request)):
            raise CaptchaFailed
    except CaptchaUnavailable:
        raise CaptchaServiceUnavailable from None


async def _record_failure(session: Session, user_id: UUID | None) -> None:
    await record(session, Entry("sign_in.failed", None, "user", user_id))
