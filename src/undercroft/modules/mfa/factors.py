"""The list of a user's second factors, and what changes when the first is added or the last is removed.

Sign-in reads only `users.second_factors`. Only this module and `reset` change it, with the user's row locked, so that
concurrent changes cannot leave it wrong.
"""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db import Session
from undercroft.core.settings import load
from undercroft.modules.auth import reset_passed_mfa
from undercroft.modules.mfa.errors import MfaRequiredByPolicy
from undercroft.modules.mfa.models import Factor
from undercroft.modules.mfa.notifications import MfaNotification, notify
from undercroft.modules.mfa.recovery_codes import generate_codes, hash_code
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInRepository,
    RecoveryCodeRepository,
    TotpRepository,
)
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRepository


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


async def sync_second_factors(session: Session, user: User) -> FactorChange:
    """Update `users.second_factors` of a locked user from the stored factors.

    Raises `MfaRequiredByPolicy` when the user must have a factor and none is left.
    """
    before, after = list(user.second_factors), await _list_factors(session, user.id)
    change = FactorChange(before, after)
    if change.is_last:
        await _require_removable(session, user)
        await RecoveryCodeRepository(session).replace(user.id, [])
        await PendingSignInRepository(session).erase(user.id)
        await reset_passed_mfa(session, user.id)
    if before != after:
        await UserRepository(session).update(user, {"second_factors": after})
    return FactorChange(before, after, await replace_recovery_codes(session, user.id)) if change.is_first else change


async def replace_recovery_codes(session: Session, user_id: UUID) -> list[str]:
    """Replace a user's recovery codes with new ones and return them."""
    codes = generate_codes()
    await RecoveryCodeRepository(session).replace(user_id, [hash_code(user_id, code) for code in codes])
    return codes


async def record_change(session: Session, user: User, action: str, change: FactorChange, **details: str) -> None:
    """Record a change of factors in the audit log."""
    before, after = {"second_factors": change.before}, {"second_factors": change.after}
    await record(session, Entry(action, None, "user", user.id, before=before, after=after, details=details))


async def notify_factor_removed(session: Session, user: User, change: FactorChange, what: str) -> None:
    """Notify the user that a factor was removed, or that two-factor authentication is off if it was the last one."""
    if change.is_last:
        await notify(session, user.id, MfaNotification.MFA_DISABLED)
    else:
        await notify(session, user.id, MfaNotification.FACTOR_REMOVED, what=what)


async def _list_factors(session: Session, user_id: UUID) -> list[str]:
    totp = await TotpRepository(session).find(user_id)
    kinds = [Factor.TOTP.value] if totp is not None and totp.secret_sealed is not None else []
    return [*kinds, *([Factor.PASSKEY.value] if await PasskeyRepository(session, user_id).count() else [])]


async def _require_removable(session: Session, user: User) -> None:
    teams = await TeamRepository(session).list_names_requiring_mfa(user.id)
    as_admin = PlatformRole(user.role) is not PlatformRole.USER and load(StepUpSettings).is_admin_mfa_required
    if teams or as_admin:
        raise MfaRequiredByPolicy(details={"teams": list(teams), "administration": as_admin})
