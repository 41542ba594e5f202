"""Teams that require a second factor of their members.

`core.auth.step_up` refuses requests of a blocked principal with an error that tells the user what to do; the module
`mfa` refuses to remove the last factor of a member of such a team.
"""

from collections.abc import Mapping
from typing import Any

from undercroft.core.auth import Principal
from undercroft.core.auth.step_up import MfaRequiredByTeam, require_second_factor
from undercroft.modules.teams.service.locked_team import OWNER_PERMISSION, LockedTeam


def is_mfa_blocked(principal_row: Mapping[str, Any], *, passed_mfa: bool) -> bool:
    """Whether the current team requires a second factor that this session or key did not verify."""
    return bool(principal_row["require_mfa"]) and not passed_mfa


def check_mfa_change(locked: LockedTeam, principal: Principal, after: Mapping[str, Any]) -> None:
    """Require an owner, with a second factor to turn the requirement on.

    Raises `TeamRoleTooWeak`, `PersonalTeam`, `MfaEnrollmentRequired`, `MfaRequiredByTeam`, `StepUpRequired`.
    """
    if "require_mfa" not in after:
        return
    locked.require(OWNER_PERMISSION)
    locked.require_not_personal()
    if after["require_mfa"]:
        require_second_factor(principal, MfaRequiredByTeam)
