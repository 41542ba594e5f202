"""The current user's second factors, and their removal by a superadmin or a command for a user who has lost them.

Sign-in reads only `users.second_factors`. Only this file changes it, with the user's row locked, so that concurrent
changes cannot leave it wrong.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db import Database, Paging, ReadSession, RowPage, Session, utc_now
from undercroft.core.settings import load
from undercroft.modules.mfa.errors import (
    MfaNotEnabled,
    MfaRequiredByPolicy,
    PasskeyAlreadyRegistered,
    PasskeyRefused,
    TooManyPasskeys,
    TotpNotFound,
    TotpNotStarted,
    WebAuthnError,
    WrongCode,
)
from undercroft.modules.mfa.models import Factor, Passkey
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInRepository,
    RecoveryCodeRepository,
    TotpRepository,
    find_credential_owner,
)
from undercroft.modules.mfa.schemas import Attestation, MfaRead, PasskeyRead
from undercroft.modules.mfa.service.codes import (
    TotpSecrets,
    find_step,
    generate_recovery_codes,
    generate_secret,
    hash_recovery_code,
)
from undercroft.modules.mfa.service.notifications import notify
from undercroft.modules.mfa.service.webauthn import PasskeyService
from undercroft.modules.sessions import SessionRepository, SessionService
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserNotFound, UserRepository

PENDING_LIFETIME = timedelta(minutes=15)
MAX_PASSKEYS = 20


class FactorChange(Struct, frozen=True):
    """The kinds of factor before and after a change; `recovery_codes` are set when the first factor was added."""

    before: list[str]
    after: list[str]
    recovery_codes: list[str] | None = None

    @property
    def is_first(self) -> bool:
        return not self.before and bool(self.after)

    @property
    def is_last(self) -> bool:
        return bool(self.before) and not self.after


class FactorService:
    """The current user's factors. Pass a `Session` to change them, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._totps = TotpRepository(session)
        self._recovery_codes = RecoveryCodeRepository(session)
        self._passkeys = PasskeyRepository(session, principal.user_id)

    async def read(self) -> MfaRead:
        app = await self._totps.find_for_user(self._user_id)
        has_app = app is not None and app.secret_sealed is not None
        passkeys = await self._passkeys.all()
        return MfaRead(
            enabled=has_app or bool(passkeys),
            totp=has_app,
            passkeys=[PasskeyRead.model_validate(each) for each in passkeys],
            recovery_codes_left=await self._recovery_codes.count_by(user_id=self._user_id),
            required_by=list(await TeamRepository(self._session).list_names_requiring_mfa(self._user_id)),
        )

    async def list_passkeys(self, paging: Paging) -> RowPage[Passkey]:
        return await self._passkeys.list(paging)

    async def begin_totp(self) -> str:
        """Store and return the secret of a new authenticator app. The current app stays valid until `confirm_totp`."""
        secret = generate_secret()
        await self._totps.begin(self._user_id, TotpSecrets().seal(self._user_id, secret))
        return secret

    async def confirm_totp(self, code: str) -> FactorChange:
        """Activate the pending authenticator app. Raises `TotpNotStarted`, `WrongCode`."""
        user = await self._lock_user()
        app = await self._totps.find_for_user(user.id)
        if app is None or app.pending_sealed is None or app.pending_at is None:
            raise TotpNotStarted
        if utc_now() - app.pending_at > PENDING_LIFETIME:
            raise TotpNotStarted
        secret = TotpSecrets().open(user.id, app.pending_sealed)
        step = find_step(secret, code)
        if step is None:
            raise WrongCode
        await self._totps.confirm(user.id, app.pending_sealed, step)
        change = await self._sync(user)
        await self._record_change(user, "totp.enabled", change)
        await notify(self._session.writable, user.id, "mfa/mfa_enabled", what="an authenticator app")
        await SessionRepository(self._session).mark_reauthenticated(self._principal.session_id, passed_mfa=True)
        return change

    async def remove_totp(self) -> None:
        """Remove the authenticator app. Raises `TotpNotFound`, `MfaRequiredByPolicy`."""
        user = await self._lock_user()
        app = await self._totps.find_for_user(user.id)
        if app is None or app.secret_sealed is None:
            raise TotpNotFound
        await self._totps.delete_by(user_id=user.id)
        change = await self._sync(user)
        await self._record_change(user, "totp.disabled", change)
        await self._notify_removed(user, change, "Your authenticator app")

    async def renew_recovery_codes(self) -> list[str]:
        """Replace all recovery codes and return the new ones. Raises `MfaNotEnabled`."""
        user = await self._lock_user()
        if not user.second_factors:
            raise MfaNotEnabled
        codes = await self._replace_recovery_codes(user.id)
        await record(self._session.writable, Entry("mfa.recovery_codes_renewed", None, "user", user.id))
        await notify(self._session.writable, user.id, "mfa/recovery_codes_renewed")
        return codes

    async def begin_passkey(self) -> dict[str, Any]:
        """Return the registration options for the browser. Raises `TooManyPasskeys`."""
        known = list(await self._passkeys.all())
        if len(known) >= MAX_PASSKEYS:
            raise TooManyPasskeys
        user = await UserRepository(self._session).get(self._user_id)
        return await PasskeyService(self._session.writable).registration_options(user, known)

    async def add_passkey(self, name: str, attestation: Attestation) -> tuple[Passkey, FactorChange]:
        """Verify and store a passkey. Raises `PasskeyRefused`, `PasskeyAlreadyRegistered`, `TooManyPasskeys`."""
        user = await self._lock_user()
        try:
            passkey = await PasskeyService(self._session.writable).verify_registration(user.id, name, attestation)
        except WebAuthnError as error:
            raise PasskeyRefused from error
        if await self._passkeys.count() >= MAX_PASSKEYS:
            raise TooManyPasskeys
        if await find_credential_owner(self._session, passkey.credential_id) is not None:
            raise PasskeyAlreadyRegistered
        await self._passkeys.create(passkey)
        change = await self._sync(user)
        await self._record_change(user, "passkey.added", change, passkey_id=str(passkey.id))
        await notify(
            self._session.writable, user.id, "mfa/passkey_added", passkey=name, first="yes" if change.is_first else ""
        )
        await SessionRepository(self._session).mark_reauthenticated(self._principal.session_id, passed_mfa=True)
        return passkey, change

    async def rename_passkey(self, passkey_id: UUID, name: str) -> Passkey:
        """Rename a passkey. Raises `PasskeyNotFound`."""
        passkey = await self._passkeys.lock(passkey_id)
        before = passkey.name
        if name != before:
            await self._passkeys.update(passkey, {"name": name})
            changes: dict[str, Any] = {"before": {"name": before}, "after": {"name": name}, "personal": ("name",)}
            await record(self._session.writable, Entry("passkey.renamed", None, "passkey", passkey.id, **changes))
        return passkey

    async def remove_passkey(self, passkey_id: UUID) -> None:
        """Remove a passkey. Raises `PasskeyNotFound`, `MfaRequiredByPolicy`."""
        user = await self._lock_user()
        passkey = await self._passkeys.lock(passkey_id)
        name = passkey.name
        await self._passkeys.delete(passkey)
        change = await self._sync(user)
        await self._record_change(user, "passkey.removed", change, passkey_id=str(passkey_id))
        await self._notify_removed(user, change, f"The passkey “{name}”")

    async def _sync(self, user: User) -> FactorChange:
        """Update `users.second_factors` of a locked user from the stored factors.

        Raises `MfaRequiredByPolicy` when the user must have a factor and none is left.
        """
        before, after = list(user.second_factors), await self._list_factors()
        change = FactorChange(before, after)
        if change.is_last:
            await self._require_removable(user)
            await self._recovery_codes.replace(user.id, [])
            await PendingSignInRepository(self._session).delete_by(user_id=user.id)
            await SessionRepository(self._session).clear_passed_mfa(user.id)
        if before != after:
            await UserRepository(self._session).update(user, {"second_factors": after})
        return FactorChange(before, after, await self._replace_recovery_codes(user.id)) if change.is_first else change

    async def _list_factors(self) -> list[str]:
        app = await self._totps.find_for_user(self._user_id)
        kinds = [Factor.TOTP.value] if app is not None and app.secret_sealed is not None else []
        return [*kinds, *([Factor.PASSKEY.value] if await self._passkeys.count() else [])]

    async def _require_removable(self, user: User) -> None:
        teams = await TeamRepository(self._session).list_names_requiring_mfa(user.id)
        as_admin = PlatformRole(user.role) is not PlatformRole.USER and load(StepUpSettings).is_admin_mfa_required
        if teams or as_admin:
            raise MfaRequiredByPolicy(details={"teams": list(teams), "administration": as_admin})

    async def _replace_recovery_codes(self, user_id: UUID) -> list[str]:
        codes = generate_recovery_codes()
        await self._recovery_codes.replace(user_id, [hash_recovery_code(user_id, code) for code in codes])
        return codes

    async def _record_change(self, user: User, action: str, change: FactorChange, **details: str) -> None:
        before, after = {"second_factors": change.before}, {"second_factors": change.after}
        await record(
            self._session.writable, Entry(action, None, "user", user.id, before=before, after=after, details=details)
        )

    async def _notify_removed(self, user: User, change: FactorChange, what: str) -> None:
        if change.is_last:
            await notify(self._session.writable, user.id, "mfa/mfa_disabled")
        else:
            await notify(self._session.writable, user.id, "mfa/factor_removed", what=what)

    async def _lock_user(self) -> User:
        return await UserRepository(self._session).lock(self._user_id)

    @property
    def _user_id(self) -> UUID:
        return self._principal.user_id


async def reset(session: Session, user_id: UUID) -> bool:
    """Turn two-factor authentication off for a user and notify the user. Returns whether it was on.

    All sessions are revoked, because a session that passed an old factor would otherwise count as one that passed the
    next factor. The user and the user's API keys have no access to teams that require two-factor authentication until
    it is on again. Raises `UserNotFound`.
    """
    user = await UserRepository(session).lock(user_id)
    before = list(user.second_factors)
    await erase(session, user_id)
    if not before:
        return False
    await UserRepository(session).update(user, {"second_factors": []})
    revoked = {"sessions": await SessionService(session).revoke_all(user_id)}
    old, new = ({"second_factors": factors} for factors in (before, []))
    await record(session, Entry("mfa.reset", None, "user", user_id, before=old, after=new, details=revoked))
    await notify(session, user_id, "mfa/mfa_reset")
    return True


async def reset_by_email(database: Database, *, email: str) -> bool:
    """Like `reset`, for the user with this email address. Raises `UserNotFound`."""
    async with database.session() as session:
        user = await UserRepository(session).get_by_email(email)
        if user is None:
            raise UserNotFound(f"No user has the email address {email}.")
        return await reset(session, user.id)


async def erase(session: Session, user_id: UUID) -> None:
    await TotpRepository(session).delete_by(user_id=user_id)
    await PasskeyRepository(session, user_id).delete_by(user_id=user_id)
    await RecoveryCodeRepository(session).replace(user_id, [])
    await PendingSignInRepository(session).delete_by(user_id=user_id)
