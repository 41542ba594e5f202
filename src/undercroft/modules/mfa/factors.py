"""What somebody's second factors are, all in all: when the first one comes and when the last one goes.

`users.second_factors` is what signing in looks at. It is changed here alone, with the person's row held, so that no two
changes at once leave it wrong.
"""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.settings import ProofSettings
from undercroft.core.db import Session
from undercroft.core.settings import load
from undercroft.modules.auth import reset_passed_mfa
from undercroft.modules.mfa.errors import MfaNeeded
from undercroft.modules.mfa.models import Factor
from undercroft.modules.mfa.notices import Notice, tell
from undercroft.modules.mfa.recovery import hash_of, new_codes
from undercroft.modules.mfa.repository import (
    HalfwayRepository,
    PasskeyRepository,
    RecoveryCodeRepository,
    TotpRepository,
)
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRepository


class Change(Struct, frozen=True):
    """The kinds of factor before and after; `codes` are new recovery codes, where there were none."""

    before: list[str]
    after: list[str]
    codes: list[str] | None = None

    @property
    def is_first(self) -> bool:
        return not self.before and bool(self.after)

    @property
    def is_last(self) -> bool:
        return bool(self.before) and not self.after


async def settle(session: Session, user: User) -> Change:
    """Bring what signing in looks at in line with the factors of a person who is held.

    Raises `MfaNeeded` when none is left of somebody who must have one.
    """
    before, after = list(user.second_factors), await _kinds(session, user.id)
    change = Change(before, after)
    if change.is_last:
        await _require_not_needed(session, user)
        await RecoveryCodeRepository(session).replace(user.id, [])
        await HalfwayRepository(session).erase(user.id)
        await reset_passed_mfa(session, user.id)
    if before != after:
        await UserRepository(session).update(user, {"second_factors": after})
    return Change(before, after, await new_recovery_codes(session, user.id)) if change.is_first else change


async def new_recovery_codes(session: Session, user_id: UUID) -> list[str]:
    """Ten codes in place of those that there were."""
    codes = new_codes()
    await RecoveryCodeRepository(session).replace(user_id, [hash_of(user_id, code) for code in codes])
    return codes


async def note(session: Session, user: User, action: str, change: Change, **details: str) -> None:
    """Audit a change of factors."""
    before, after = {"second_factors": change.before}, {"second_factors": change.after}
    await record(session, Entry(action, None, "user", user.id, before=before, after=after, details=details))


async def tell_of_removal(session: Session, user: User, change: Change, what: str) -> None:
    """Mail the person that a factor is gone, or all of it."""
    if change.is_last:
        await tell(session, user.id, Notice.MFA_DISABLED)
    else:
        await tell(session, user.id, Notice.FACTOR_REMOVED, what=what)


async def _kinds(session: Session, user_id: UUID) -> list[str]:
    totp = await TotpRepository(session).find(user_id)
    kinds = [Factor.TOTP.value] if totp is not None and totp.secret_sealed is not None else []
    return [*kinds, *([Factor.PASSKEY.value] if await PasskeyRepository(session, user_id).count() else [])]


async def _require_not_needed(session: Session, user: User) -> None:
    teams = await TeamRepository(session).asking_for_mfa(user.id)
    as_admin = PlatformRole(user.role) is not PlatformRole.USER and load(ProofSettings).administrators_need_mfa
    if teams or as_admin:
        raise MfaNeeded(details={"teams": list(teams), "administration": as_admin})
