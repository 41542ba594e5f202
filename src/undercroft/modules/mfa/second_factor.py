"""The second step of signing in.

Between the steps somebody holds a token: random, kept as its hash, good for five minutes, for five wrong tries and for
nothing but this. It is void when the password changes. Every try is counted by the throttle of sign-ins before it is
looked at, and what was counted is forgotten only by a right one.
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
    """Asks for the second step; bound to signing in when the process starts."""

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
    """Takes a token and a second factor, or a passkey that is both steps at once."""

    def __init__(self, auth_services: AuthServices, client: Client) -> None:
        self._auth_services = auth_services
        self._client = client

    async def factors(self, token: str) -> list[str]:
        """The kinds of factor that this sign-in can go on with. Raises `MfaTokenInvalid`."""
        async with self._auth_services.database.read_session() as read_session:
            _, user = await _get_pending_sign_in(read_session, token)
            return user.second_factors

    async def options(self, token: str) -> dict[str, Any]:
        """What a browser needs to sign with one of the passkeys. Raises `MfaTokenInvalid`."""
        async with self._auth_services.database.session() as session:
            pending_sign_in, user = await _get_pending_sign_in(session, token)
            known = list(await PasskeyRepository(session, user.id).all())
            return await webauthn.create_authentication_options(
                session, ChallengePurpose.SECOND_FACTOR, pending_sign_in.id, known
            )

    async def verify(
        self, token: str, proof: MfaCredential, *, expected_kind: SessionKind | None = None
    ) -> tuple[User, StartedSession, SessionKind]:
        """Begin the session that was asked for, `expected_kind` of this kind if one is named.

        Raises `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
        """
        async with self._auth_services.database.read_session() as read_session:
            pending_sign_in, user = await _get_pending_sign_in(read_session, token)
        if expected_kind not in (None, pending_sign_in.kind):
            raise MfaTokenInvalid
        attempt = await self._auth_services.throttle.begin(user.email, self._client, factor=proof.provided_methods[0])
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock(user.id)
            pending_sign_in, user = await _get_pending_sign_in(session, token)
            if not await verify_factor(session, user, proof, ChallengePurpose.SECOND_FACTOR, pending_sign_in.id):
                await self._record_failure(session, pending_sign_in, user, proof)
                raise InvalidCode
            if not await PendingSignInRepository(session).consume(pending_sign_in):
                raise MfaTokenInvalid
            await self._auth_services.throttle.succeed(session, attempt)
            kind, first_factor = SessionKind(pending_sign_in.kind), FirstFactor.from_json(pending_sign_in.first_step)
            started = await start_session(session, user, self._client, kind, passed_mfa=True, first_factor=first_factor)
            return user, started, kind

    async def passkey_options(self) -> dict[str, Any]:
        """What a browser needs to sign with a passkey of whoever sits in front of it."""
        async with self._auth_services.database.session() as session:
            return await webauthn.create_authentication_options(
                session, ChallengePurpose.SIGN_IN, None, [], verified=True
            )

    async def sign_in_with_passkey(self, assertion: Assertion, kind: SessionKind) -> tuple[User, StartedSession]:
        """Begin a session of the passkey's owner, whom the authenticator has verified. Raises `InvalidPasskey`."""
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

    async def _record_failure(
        self, session: Session, pending_sign_in: PendingSignIn, user: User, proof: MfaCredential
    ) -> None:
        details = {"ip": self._client.ip, "way": proof.provided_methods[0]}
        await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
        if await PendingSignInRepository(session).record_failure(pending_sign_in, max_attempts=MAX_ATTEMPTS):
            await notify(session, user.id, MfaNotification.MFA_FAILED, ip=self._client.ip)


async def _get_pending_sign_in(session: ReadSession, token: str) -> tuple[PendingSignIn, User]:
    """The sign-in that this token is of, and whose it is. Raises `MfaTokenInvalid`."""
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
    """Whose passkey this is, held, if they may come in."""
    try:
        user_id = await find_credential_owner(session, webauthn.decode_credential_id(assertion))
        user = await UserRepository(session).lock(user_id) if user_id else None
    except (webauthn.WebAuthnError, UserNotFound):
        return None
    return user if user is not None and user.is_active else None


def _password_mark(user: User) -> bytes:
    """Tells whether the password is still the one that the first step was done with."""
    return sha256((user.password_hash or "").encode()).digest()
