"""Sign-in with a password. Known and unknown addresses take the same steps and the same time."""

from typing import Any
from uuid import UUID

from sqlalchemy import String, bindparam, select
from sqlmodel import col

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, Statement
from undercroft.core.db.errors import raise_translated_read
from undercroft.core.security import passwords
from undercroft.core.security.passwords import PasswordMatch
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import InvalidCredentials, WrongPassword
from undercroft.modules.auth.external import ensure_local_accounts
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.sessions import StartedSession, start_session
from undercroft.modules.auth.throttle import SignInAttempt, Throttle
from undercroft.modules.users import User, UserRepository

_CREDENTIALS = Statement(
    select(col(User.id), col(User.password_hash))
    .where(col(User.email) == bindparam("email", type_=String))
    .where(col(User.is_active), col(User.deleted_at).is_(None))
)


class SignIn:
    """Verifies passwords and counts failures."""

    def __init__(self, database: Database, throttle: Throttle) -> None:
        self._database = database
        self._throttle = throttle

    async def sign_in(
        self, *, email: str, password: str, client: Client, kind: SessionKind
    ) -> tuple[User, StartedSession]:
        """Start a session. Raises `InvalidCredentials`, `MfaRequired`, `TooManyAttempts`, `TooBusy`."""
        ensure_local_accounts()
        attempt = await self._throttle.begin(email, client)
        found, match = await self._check(attempt, email, password)
        stronger = await self._rehash(email, password, found["password_hash"], match) if match else None
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
            return user, await start_session(session, user, client, kind)

    async def require_password(self, user_id: UUID, email: str, password: str, client: Client) -> str:
        """Verify the password of a signed-in user, and return the stored hash.

        Before it changes anything, the caller locks the user with this hash
        (`UserRepository.lock_if_password_unchanged`). Raises `WrongPassword`, `TooManyAttempts`, `TooBusy`.
        """
        attempt = await self._throttle.begin(email, client)
        found, match = await self._check(attempt, email, password)
        async with self._database.session() as session:
            if not match or found["id"] != user_id:
                await _record_failure(session, user_id)
                raise WrongPassword
            await self._throttle.succeed(session, attempt)
        password_hash: str = found["password_hash"]
        return password_hash

    async def _check(self, attempt: SignInAttempt, email: str, password: str) -> tuple[Any, PasswordMatch]:
        try:
            found = await self._database.read.fetchrow(_CREDENTIALS, email=email)
        except Exception as error:
            raise_translated_read(error)
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


async def _record_failure(session: Session, user_id: UUID | None) -> None:
    await record(session, Entry("sign_in.failed", None, "user", user_id))
