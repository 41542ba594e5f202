"""What asks for more than being signed in: proof that is recent, or a second factor."""

from typing import Any

from undercroft.core.auth.principal import ImpersonationForbidden, InteractiveSessionRequired, Principal
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db.models import utc_now
from undercroft.core.errors import Forbidden
from undercroft.core.settings import load

SIGN_IN_AGAIN = "sign_in"
"""The way that is open to everybody: a session that has just begun is proven."""


class StepUpRequired(Forbidden):
    """`details.ways` are what `POST /auth/step-up` takes from this person."""

    code = "STEP_UP_REQUIRED"
    message = "Prove once more that it is you: POST /api/v1/auth/step-up, or sign in again."


class MfaEnrollmentRequired(Forbidden):
    """There is a second factor to be set up first; one's own account stays open for that."""

    code = "MFA_ENROLLMENT_REQUIRED"
    message = "This is open to those with two-step sign-in only. Turn it on first."


class MfaRequiredByTeam(Forbidden):
    """The person has a second factor, but this session has not seen it."""

    code = "MFA_REQUIRED_BY_TEAM"
    message = "This team asks for two-step sign-in: POST /api/v1/auth/step-up, or sign in again."


class MfaRequiredForAdmins(Forbidden):
    """The person has a second factor, but this session has not seen it."""

    code = "MFA_REQUIRED_FOR_ADMINS"
    message = "Administration asks for two-step sign-in: POST /api/v1/auth/step-up, or sign in again."


def get_step_up_methods(principal: Principal) -> dict[str, Any]:
    """How this person can prove to be it: by a second factor where there is one, else by the password.

    Who bears the token of another issuer has no session of ours to be proven: that issuer gives a new one.
    """
    if principal.session_id_or_none is None:
        return {"ways": [SIGN_IN_AGAIN]}
    factors = {"totp": "code", "passkey": "passkey"}
    ways = [factors[each] for each in principal.second_factors if each in factors]
    return {"ways": [*ways, *(["recovery_code"] if ways else ["password"]), SIGN_IN_AGAIN]}


def require_recent_authentication(principal: Principal) -> None:
    """Raises `StepUpRequired` unless this session was proven within STEP_UP_MINUTES, by clocks that agree so far.

    `InteractiveSessionRequired` and `ImpersonationForbidden` for those who cannot prove to be this person at all.
    """
    if principal.api_key_id is not None:
        raise InteractiveSessionRequired
    if principal.impersonator_id is not None:
        raise ImpersonationForbidden
    settings = load(StepUpSettings)
    if principal.proven_at is None or abs(utc_now() - principal.proven_at) > settings.step_up_lifetime:
        raise StepUpRequired(details=get_step_up_methods(principal))


def require_second_factor(principal: Principal, otherwise: type[Forbidden]) -> None:
    """Raises `MfaEnrollmentRequired` for those who have none, `otherwise` where this session has not seen it."""
    if not principal.second_factors:
        raise MfaEnrollmentRequired
    if not principal.passed_mfa:
        raise otherwise(details=get_step_up_methods(principal))


def require_team_mfa(principal: Principal) -> None:
    """Raises as `require_second_factor` does where the current team asks for a second factor in vain."""
    if principal.mfa_blocked:
        require_second_factor(principal, MfaRequiredByTeam)


def require_admin_mfa(principal: Principal) -> None:
    """Raises as `require_second_factor` does where ADMIN_REQUIRES_MFA says so."""
    if load(StepUpSettings).is_admin_mfa_required:
        require_second_factor(principal, MfaRequiredForAdmins)
