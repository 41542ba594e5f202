"""Verification of second factors, the MFA challenge of a sign-in, sign-in with a passkey, and step-up authentication.

A successful verification uses the code or challenge, so that it works only once.

After the first factor, the client has a random token, which is stored as a hash. It is valid for five minutes and five
wrong attempts, and a password change invalidates it. The sign-in throttle counts every attempt before it is verified;
only a successful attempt clears the count.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal, StepUpRequired
from undercroft.core.auth.step_up import get_step_up_methods
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.errors import AppError
from undercroft.core.security.keyring import DecryptionError
from undercroft.core.security.tokens import constant_time_compare, hash_token, new_token
from undercroft.modules.auth import PASSWORD_FAILURES, AuthServices, WrongPassword
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid, WebAuthnError, WrongCode
from undercroft.modules.mfa.models import ChallengePurpose, Passkey, PendingSignIn
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInRepository,
    RecoveryCodeRepository,
    TotpRepository,
    find_credential_owner,
)
from undercroft.modules.mfa.schemas import Assertion, MfaCredential
from undercroft.modules.mfa.service.codes import TotpSecrets, find_step, hash_recovery_code
from undercroft.modules.mfa.service.notifications import notify
from undercroft.modules.mfa.service.webauthn import PasskeyService, decode_credential_id
from undercroft.modules.sessions import (
    Client,
    FirstFactor,
    MfaRequired,
    SessionKind,
    SessionRepository,
    SessionService,
    StartedSession,
)
from undercroft.modules.users import User, UserNotFound, UserRepository

log = structlog.get_logger("undercroft.security")

TOKEN_LIFETIME = timedelta(minutes=5)
MAX_ATTEMPTS = 5
SECOND_FACTOR_FAILURES = ("mfa.failed", "passkey.cloned", *PASSWORD_FAILURES)
"""Audit entries of a wrong second factor, on every route that verifies one."""


class FactorVerifier:
    """Verifies second factors of a locked user.

    `purpose` and `subject_id` are those of the challenge that a passkey must have signed.
    """

    def __init__(self, session: Session, user: User, purpose: ChallengePurpose, subject_id: UUID) -> None:
        self._session = session
        self._user = user
        self._purpose = purpose
        self._subject_id = subject_id

    async def verify(self, credential: MfaCredential) -> bool:
        if credential.code is not None:
            return await self._verify_code(credential.code)
        if credential.recovery_code is not None:
            return await self._verify_recovery_code(credential.recovery_code.get_secret_value())
        assert credential.passkey is not None
        return await self._verify_passkey(credential.passkey)

    async def _verify_code(self, code: str) -> bool:
        user_id, totps, secrets = self._user.id, TotpRepository(self._session), TotpSecrets()
        app = await totps.find_for_user(user_id)
        if app is None or app.secret_sealed is None:
            return False
        try:
            secret = secrets.open(user_id, app.secret_sealed)
        except DecryptionError as error:
            log.error(
                "totp.unreadable", user_id=str(user_id), cause=str(error), hint="Add the previous key to SECRET_KEYS."
            )
            return False
        step = find_step(secret, code)
        if step is None or not await totps.use(user_id, step):
            return False
        if not secrets.is_current(app.secret_sealed):
            await totps.reseal(user_id, app.secret_sealed, secrets.seal(user_id, secret))
        return True

    async def _verify_recovery_code(self, code: str) -> bool:
        user_id, codes = self._user.id, RecoveryCodeRepository(self._session)
        if not await codes.use(user_id, hash_recovery_code(user_id, code)):
            return False
        left = await codes.count_by(user_id=user_id)
        await record(self._session, Entry("mfa.recovery_code_used", user_id, "user", user_id, details={"left": left}))
        await notify(self._session, user_id, "mfa/recovery_code_used", left=str(left))
        return True

    async def _verify_passkey(self, assertion: Assertion) -> bool:
        try:
            credential_id = decode_credential_id(assertion)
            passkey = await PasskeyRepository(self._session, self._user.id).get_by(credential_id=credential_id)
        except WebAuthnError:
            passkey = None
        return await PasskeyService(self._session).verify(passkey, assertion, self._purpose, self._subject_id)


class PendingSignInService:
    """Creates MFA challenges. It is bound to sign-in at startup."""

    async def create_challenge(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
    ) -> MfaRequired:
        token = new_token()
        pending_sign_in = PendingSignIn(
            token_hash=hash_token(token),
            user_id=user.id,
            kind=kind,
            password_digest=_password_digest(user),
            first_factor=first_factor.to_json(),
            expires_at=utc_now() + TOKEN_LIFETIME,
        )
        session.add(pending_sign_in)
        await record(session, Entry("mfa.challenged", user.id, "user", user.id, details={"ip": client.ip}))
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
            passkeys = PasskeyService(session)
            return await passkeys.authentication_options(ChallengePurpose.SECOND_FACTOR, pending_sign_in.id, user.id)

    async def verify(
        self, token: str, credential: MfaCredential, *, expected_kind: SessionKind | None = None
    ) -> tuple[User, StartedSession, SessionKind]:
        """Verify a second factor and start the session that the sign-in requested.

        `expected_kind` rejects sign-ins that requested another kind of session. Raises `MfaTokenInvalid`,
        `InvalidCode`, `TooManyAttempts` and what hooks of `SignIn` raise.
        """
        async with self._auth_services.database.read_session() as read_session:
            pending_sign_in, user = await _get_pending_sign_in(read_session, token)
        if expected_kind not in (None, pending_sign_in.kind):
            raise MfaTokenInvalid
        method = credential.provided_methods[0]
        attempt = await self._auth_services.throttle.begin(user.email, self._client, factor=method)
        verified = False
        try:
            async with self._auth_services.database.session() as session:
                user = await UserRepository(session).lock(user.id)
                pending_sign_in, user = await _get_pending_sign_in(session, token)
                verifier = FactorVerifier(session, user, ChallengePurpose.SECOND_FACTOR, pending_sign_in.id)
                verified = await verifier.verify(credential)
                if not verified:
                    await self._record_failure(session, pending_sign_in, user, method)
                    raise InvalidCode
                await PendingSignInRepository(session).delete_by(id=pending_sign_in.id)
                await self._auth_services.throttle.succeed(session, attempt)
                kind = SessionKind(pending_sign_in.kind)
                first_factor = FirstFactor.from_json(pending_sign_in.first_factor)
                started = await SessionService(session).start(
                    user, self._client, kind, passed_mfa=True, first_factor=first_factor
                )
                return user, started, kind
        except AppError as error:
            await self._auth_services.throttle.withdraw_refused(attempt, error, verified=verified)
            raise

    async def passkey_options(self) -> dict[str, Any]:
        """Return options for a browser to sign in with any passkey of this domain."""
        async with self._auth_services.database.session() as session:
            return await PasskeyService(session).authentication_options(ChallengePurpose.SIGN_IN, None, None)

    async def sign_in_with_passkey(self, assertion: Assertion, kind: SessionKind) -> tuple[User, StartedSession]:
        """Start a session for the passkey's owner; the authenticator must verify the user. Raises `InvalidPasskey`."""
        async with self._auth_services.database.session() as session:
            user, passkey = await _lock_passkey(session, assertion)
            is_valid = await PasskeyService(session).verify(
                passkey, assertion, ChallengePurpose.SIGN_IN, None, user_verified=True
            )
            if not is_valid or user is None:
                details = {"ip": self._client.ip, "method": "passkey"}
                await record(session, Entry("sign_in.failed", None, "user", user.id if user else None, details=details))
                raise InvalidPasskey
            return user, await SessionService(session).start(user, self._client, kind, passed_mfa=True)

    async def _record_failure(self, session: Session, pending_sign_in: PendingSignIn, user: User, method: str) -> None:
        details = {"ip": self._client.ip, "method": method}
        await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
        if await PendingSignInRepository(session).record_failure(pending_sign_in, max_attempts=MAX_ATTEMPTS):
            await notify(session, user.id, "mfa/mfa_failed", ip=self._client.ip)


class StepUpService:
    """Reauthenticates the current session. Raises `InteractiveSessionRequired` when the principal has no session.

    A user with second factors must use one of them: a stolen password must not be enough to turn them off.
    """

    def __init__(self, auth_services: AuthServices, principal: Principal, client: Client) -> None:
        self._auth_services = auth_services
        self._principal = principal
        self._client = client
        self._session_id = principal.session_id

    async def options(self) -> dict[str, Any]:
        async with self._auth_services.database.session() as session:
            user_id = self._principal.user_id
            return await PasskeyService(session).authentication_options(
                ChallengePurpose.STEP_UP, self._session_id, user_id
            )

    async def authenticate_with_password(self, password: str) -> None:
        """Reauthenticate with the password.

        Raises `WrongPassword`, `TooManyAttempts`, `TooBusy`, and `StepUpRequired` for users with second factors.
        """
        user_id = self._principal.user_id
        verified = await self._auth_services.sign_in.require_password(user_id, self._email, password, self._client)
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock_if_password_unchanged(user_id, verified)
            if user is None:
                raise WrongPassword
            if user.second_factors:
                raise StepUpRequired(details=get_step_up_methods(self._principal))
            await self._reauthenticate(session, "password", passed_mfa=False)

    async def authenticate_with_factor(self, credential: MfaCredential) -> None:
        """Reauthenticate with a second factor. Raises `WrongCode`, `TooManyAttempts`."""
        method = credential.provided_methods[0]
        attempt = await self._auth_services.throttle.begin(self._email, self._client, factor=method)
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock(self._principal.user_id)
            verifier = FactorVerifier(session, user, ChallengePurpose.STEP_UP, self._session_id)
            if not await verifier.verify(credential):
                details = {"ip": self._client.ip, "method": method}
                await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
                raise WrongCode
            await self._auth_services.throttle.succeed(session, attempt)
            await self._reauthenticate(session, method, passed_mfa=True)

    async def _reauthenticate(self, session: Session, method: str, *, passed_mfa: bool) -> None:
        await SessionRepository(session).mark_reauthenticated(self._session_id, passed_mfa=passed_mfa)
        entry = Entry("session.reauthenticated", None, "session", self._session_id, details={"method": method})
        await record(session, entry)

    @property
    def _email(self) -> str:
        email: str = self._principal.subject["email"]
        return email


async def _get_pending_sign_in(session: ReadSession, token: str) -> tuple[PendingSignIn, User]:
    """Return the pending sign-in of this token and its user. Raises `MfaTokenInvalid`."""
    pending_sign_in = await PendingSignInRepository(session).find_by_token(hash_token(token))
    user = await UserRepository(session).find(pending_sign_in.user_id) if pending_sign_in else None
    if (
        pending_sign_in is None
        or user is None
        or not user.is_active
        or not constant_time_compare(pending_sign_in.password_digest, _password_digest(user))
    ):
        raise MfaTokenInvalid
    return pending_sign_in, user


async def _lock_passkey(session: Session, assertion: Assertion) -> tuple[User | None, Passkey | None]:
    """Lock the active owner of a passkey. Returns both, or None for both if there is none."""
    try:
        credential_id = decode_credential_id(assertion)
        user_id = await find_credential_owner(session, credential_id)
        user = await UserRepository(session).lock(user_id) if user_id else None
    except (WebAuthnError, UserNotFound):
        return None, None
    if user is None or not user.is_active:
        return None, None
    return user, await PasskeyRepository(session, user.id).get_by(credential_id=credential_id)


def _password_digest(user: User) -> bytes:
    """Return a digest that changes with the password."""
    return sha256((user.password_hash or "").encode()).digest()
