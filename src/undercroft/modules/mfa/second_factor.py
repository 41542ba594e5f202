"""The MFA challenge of a sign-in.

After the first factor, the client holds a random token, which is stored as a hash. It is valid for five minutes and
five wrong attempts, and a password change invalidates it. The sign-in throttle counts every attempt before it is
verified; only a successful attempt clears the count.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.ids import new_id
from undercroft.core.security.tokens import constant_time_compare, hash_token, new_token
from undercroft.modules.auth import (
    AuthServices,
    Client,
    FirstFactor,
    MfaRequired,
    SessionKind,
    StartedSession,
    start_session,
)
from undercroft.modules.mfa import webauthn
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid
from undercroft.modules.mfa.models import ChallengePurpose, PendingSignIn
from undercroft.modules.mfa.notifications import MfaNotification, notify
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInReadRepository,
    PendingSignInRepository,
    find_credential_owner,
)
from undercroft.modules.mfa.schemas import Assertion, MfaCredential
from undercroft.modules.mfa.verification import verify_factor, verify_passkey
from undercroft.modules.users import User, UserNotFound, UserRepository

TOKEN_LIFETIME = timedelta(minutes=5)
MAX_ATTEMPTS = 5


class PendingSignInService:
    """Creates MFA challenges. It is bound to sign-in at startup."""

    async def create_challenge(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
    ) -> MfaRequired:
        token = new_token()
        pending_sign_in = PendingSignIn(
            id=new_id(),
            token_hash=hash_token(token),
            user_id=user.id,
            kind=kind,
            password_mark=_password_mark(user),
            first_step=first_factor.to_json(),
            expires_at=utc_now() + TOKEN_LIFETIME,
        )
        session.add(pending_sign_in)
        await record(session, Entry("mfa.asked", user.id, "user", user.id, details={"ip": client.ip}))
        methods = [*user.second_factors, "recovery_code"]
        expires_in = int(TOKEN_LIFETIME.total_seconds())
        return MfaRequired(details={"mfa_token": token, "methods": methods, "expires_in": expires_in})


class SecondFactorService:
    """Completes sign-ins with a second factor, or with a passkey alone."""

    def __init__(self, auth_services: AuthServices, client: Client) -> None:
        self._auth_services = auth_services
        self._client = client

    async def factors(self, token: str) -> list[str]:
        """Return the kinds of factor that can complete this sign-in. Raises `MfaTokenInvalid`."""
        async with self._auth_services.database.read_session() as read_session:
            _, user = await _get_pending_sign_in(read_session, token)
            return user.second_factors

    async def options(self, token: str) -> dict[str, Any]:
        """Return options for a browser to use one of the user's passkeys. Raises `MfaTokenInvalid`."""
        async with self._auth_services.database.session() as session:
            pending_sign_in, user = await _get_pending_sign_in(session, token)
            known = list(await PasskeyRepository(session, user.id).all())
            return await webauthn.create_authentication_options(
                session, ChallengePurpose.SECOND_FACTOR, pending_sign_in.id, known
            )

    async def verify(
        self, token: str, credential: MfaCredential, *, expected_kind: SessionKind | None = None
    ) -> tuple[User, StartedSession, SessionKind]:
        """Verify a second factor and start the session that the sign-in requested.

        `expected_kind` rejects sign-ins that requested another kind of session. Raises `MfaTokenInvalid`,
        `InvalidCode`, `TooManyAttempts`.
        """
        async with self._auth_services.database.read_session() as read_session:
            pending_sign_in, user = await _get_pending_sign_in(read_session, token)
        if expected_kind not in (None, pending_sign_in.kind):
            raise MfaTokenInvalid
        method = credential.provided_methods[0]
        attempt = await self._auth_services.throttle.begin(user.email, self._client, factor=method)
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock(user.id)
            pending_sign_in, user = await _get_pending_sign_in(session, token)
            if not await verify_factor(session, user, credential, ChallengePurpose.SECOND_FACTOR, pending_sign_in.id):
                await self._record_failure(session, pending_sign_in, user, method)
                raise InvalidCode
            if not await PendingSignInRepository(session).consume(pending_sign_in):
                raise MfaTokenInvalid
            await self._auth_services.throttle.succeed(session, attempt)
            kind, first_factor = SessionKind(pending_sign_in.kind), FirstFactor.from_json(pending_sign_in.first_step)
            started = await start_session(session, user, self._client, kind, passed_mfa=True, first_factor=first_factor)
            return user, started, kind

    async def passkey_options(self) -> dict[str, Any]:
        """Return options for a browser to sign in with any passkey of this domain."""
        async with self._auth_services.database.session() as session:
            return await webauthn.create_authentication_options(
                session, ChallengePurpose.SIGN_IN, None, [], verified=True
            )

    async def sign_in_with_passkey(self, assertion: Assertion, kind: SessionKind) -> tuple[User, StartedSession]:
        """Start a session for the passkey's owner; the authenticator must verify the user. Raises `InvalidPasskey`."""
        async with self._auth_services.database.session() as session:
            user = await _lock_passkey_owner(session, assertion)
            passkey = None
            if user is not None:
                passkey = await PasskeyRepository(session, user.id).find_by_credential_id(
                    webauthn.decode_credential_id(assertion)
                )
            if (
                not await verify_passkey(session, passkey, assertion, ChallengePurpose.SIGN_IN, None, verified=True)
                or not user
            ):
                details = {"ip": self._client.ip, "way": "passkey"}
                await record(session, Entry("sign_in.failed", None, "user", user.id if user else None, details=details))
                raise InvalidPasskey
            return user, await start_session(session, user, self._client, kind, passed_mfa=True)

    async def _record_failure(self, session: Session, pending_sign_in: PendingSignIn, user: User, method: str) -> None:
        details = {"ip": self._client.ip, "way": method}
        await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
        if await PendingSignInRepository(session).record_failure(pending_sign_in, max_attempts=MAX_ATTEMPTS):
            await notify(session, user.id, MfaNotification.MFA_FAILED, ip=self._client.ip)


async def _get_pending_sign_in(session: ReadSession, token: str) -> tuple[PendingSignIn, User]:
    """Return the pending sign-in of this token and its user. Raises `MfaTokenInvalid`."""
    pending_sign_in = await PendingSignInReadRepository(session).find_by_token(hash_token(token))
    user = await UserRepository(session).find(pending_sign_in.user_id) if pending_sign_in else None
    if (
        pending_sign_in is None
        or user is None
        or not user.is_active
        or not constant_time_compare(pending_sign_in.password_mark, _password_mark(user))
    ):
        raise MfaTokenInvalid
    return pending_sign_in, user


async def _lock_passkey_owner(session: Session, assertion: Assertion) -> User | None:
    """Lock and return the active owner of a passkey; None if there is none."""
    try:
        user_id = await find_credential_owner(session, webauthn.decode_credential_id(assertion))
        user = await UserRepository(session).lock(user_id) if user_id else None
    except (webauthn.WebAuthnError, UserNotFound):
        return None
    return user if user is not None and user.is_active else None


def _password_mark(user: User) -> bytes:
    """Return a digest that changes with the password."""
    return sha256((user.password_hash or "").encode()).digest()
