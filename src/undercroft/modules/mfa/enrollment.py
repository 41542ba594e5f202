"""Management of the current user's second factors. Every change of factors locks the user's row."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import OffsetPage
from undercroft.modules.auth import mark_session_reauthenticated
from undercroft.modules.mfa import factors, totp, webauthn
from undercroft.modules.mfa.errors import (
    MfaNotEnabled,
    PasskeyAlreadyRegistered,
    PasskeyRefused,
    TooManyPasskeys,
    TotpNotFound,
    TotpNotStarted,
    WrongCode,
)
from undercroft.modules.mfa.models import Passkey, Totp
from undercroft.modules.mfa.notifications import MfaNotification, notify
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    RecoveryCodeReadRepository,
    TotpReadRepository,
    TotpRepository,
    find_credential_owner,
)
from undercroft.modules.mfa.schemas import Attestation
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRepository

PENDING_LIFETIME = timedelta(minutes=15)
MAX_PASSKEYS = 20


class Overview(Struct, frozen=True):
    totp: bool
    passkeys: list[Passkey]
    recovery_codes_left: int
    required_by: list[str]


async def get_overview(session: ReadSession, user_id: UUID) -> Overview:
    """Return a user's second factors and the teams that require them."""
    app = await TotpReadRepository(session).find(user_id)
    return Overview(
        totp=app is not None and app.secret_sealed is not None,
        passkeys=list(await PasskeyRepository(session, user_id).all()),
        recovery_codes_left=await RecoveryCodeReadRepository(session).count(user_id),
        required_by=list(await TeamRepository(session).list_names_requiring_mfa(user_id)),
    )


class EnrollmentService:
    """Changes the second factors of the current user."""

    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._totps = TotpRepository(session)
        self._passkeys = PasskeyRepository(session, principal.user_id)

    async def begin_totp(self) -> str:
        """Store and return the secret of a new authenticator app. The current app stays valid until `confirm_totp`."""
        secret = totp.new_secret()
        await self._totps.begin(self._user_id, totp.Secrets().seal(self._user_id, secret))
        return secret

    async def confirm_totp(self, code: str) -> factors.FactorChange:
        """Activate the pending authenticator app. Raises `TotpNotStarted`, `WrongCode`."""
        user = await self._lock_user()
        app = await self._totps.find(user.id)
        if app is None or app.pending_sealed is None or not _is_fresh(app):
            raise TotpNotStarted
        secret = totp.Secrets().open(user.id, app.pending_sealed)
        step = totp.find_step(secret, code)
        if step is None:
            raise WrongCode
        await self._totps.confirm(user.id, app.pending_sealed, step)
        change = await factors.sync_second_factors(self._session, user)
        await factors.record_change(self._session, user, "totp.enabled", change)
        await notify(self._session, user.id, MfaNotification.MFA_ENABLED, what="an authenticator app")
        await mark_session_reauthenticated(self._session, self._principal, passed_mfa=True)
        return change

    async def remove_totp(self) -> None:
        """Remove the authenticator app. Raises `TotpNotFound`, `MfaRequiredByPolicy`."""
        user = await self._lock_user()
        app = await self._totps.find(user.id)
        if app is None or app.secret_sealed is None:
            raise TotpNotFound
        await self._totps.remove(user.id)
        change = await factors.sync_second_factors(self._session, user)
        await factors.record_change(self._session, user, "totp.disabled", change)
        await factors.notify_factor_removed(self._session, user, change, "Your authenticator app")

    async def renew_recovery_codes(self) -> list[str]:
        """Replace all recovery codes and return the new ones. Raises `MfaNotEnabled`."""
        user = await self._lock_user()
        if not user.second_factors:
            raise MfaNotEnabled
        codes = await factors.replace_recovery_codes(self._session, user.id)
        await record(self._session, Entry("mfa.recovery_codes_renewed", None, "user", user.id))
        await notify(self._session, user.id, MfaNotification.RECOVERY_CODES_RENEWED)
        return codes

    async def begin_passkey(self) -> dict[str, Any]:
        """Return the registration options for the browser. Raises `TooManyPasskeys`."""
        known = list(await self._passkeys.all())
        if len(known) >= MAX_PASSKEYS:
            raise TooManyPasskeys
        user = await UserRepository(self._session).get(self._user_id)
        return await webauthn.create_registration_options(self._session, user, known)

    async def add_passkey(self, name: str, attestation: Attestation) -> tuple[Passkey, factors.FactorChange]:
        """Verify and store a passkey. Raises `PasskeyRefused`, `PasskeyAlreadyRegistered`, `TooManyPasskeys`."""
        user = await self._lock_user()
        try:
            registration = await webauthn.verify_registration(self._session, user.id, attestation)
        except webauthn.WebAuthnError as error:
            raise PasskeyRefused from error
        if await self._passkeys.count() >= MAX_PASSKEYS:
            raise TooManyPasskeys
        if await find_credential_owner(self._session, registration.credential_id) is not None:
            raise PasskeyAlreadyRegistered
        passkey = await self._passkeys.create(
            Passkey(
                user_id=user.id,
                name=name,
                credential_id=registration.credential_id,
                public_key=registration.public_key,
                sign_count=registration.sign_count,
                transports=registration.transports,
                backed_up=registration.backed_up,
            )
        )
        change = await factors.sync_second_factors(self._session, user)
        await factors.record_change(self._session, user, "passkey.added", change, passkey_id=str(passkey.id))
        await notify(
            self._session, user.id, MfaNotification.PASSKEY_ADDED, passkey=name, first="yes" if change.is_first else ""
        )
        await mark_session_reauthenticated(self._session, self._principal, passed_mfa=True)
        return passkey, change

    async def rename_passkey(self, passkey_id: UUID, name: str) -> Passkey:
        """Rename a passkey. Raises `PasskeyNotFound`."""
        passkey = await self._passkeys.lock(passkey_id)
        before = passkey.name
        if name != before:
            await self._passkeys.update(passkey, {"name": name})
            changes: dict[str, Any] = {"before": {"name": before}, "after": {"name": name}, "personal": ("name",)}
            await record(self._session, Entry("passkey.renamed", None, "passkey", passkey.id, **changes))
        return passkey

    async def remove_passkey(self, passkey_id: UUID) -> None:
        """Remove a passkey. Raises `PasskeyNotFound`, `MfaRequiredByPolicy`."""
        user = await self._lock_user()
        passkey = await self._passkeys.lock(passkey_id)
        name = passkey.name
        await self._passkeys.delete(passkey)
        change = await factors.sync_second_factors(self._session, user)
        await factors.record_change(self._session, user, "passkey.removed", change, passkey_id=str(passkey_id))
        await factors.notify_factor_removed(self._session, user, change, f"The passkey “{name}”")

    @property
    def _user_id(self) -> UUID:
        return self._principal.user_id

    async def _lock_user(self) -> User:
        return await UserRepository(self._session).lock(self._user_id)


async def list_passkeys(session: ReadSession, user_id: UUID, *, page: int, size: int) -> OffsetPage[Passkey]:
    """Return one page of a user's passkeys, oldest first."""
    return await PasskeyRepository(session, user_id).list(page=page, size=size)


def _is_fresh(app: Totp) -> bool:
    return app.pending_at is not None and utc_now() - app.pending_at <= PENDING_LIFETIME
