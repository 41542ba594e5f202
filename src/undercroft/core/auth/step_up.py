"""Requirements beyond being signed in: a recent reauthentication, or a second factor."""

from typing import Any

from undercroft.core.auth.principal import ImpersonationForbidden, InteractiveSessionRequired, Principal
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.context import current_context
from undercroft.core.db.models import utc_now
from undercroft.core.errors import Forbidden
from undercroft.core.settings import load

SIGN_IN_AGAIN = "sign_in"
"""The method that is available to every user: a new session is freshly authenticated."""


class StepUpAuthentication:
    """Added to the context by the module that serves `POST /auth/step-up`; without it, users can only sign in again."""


class StepUpRequired(Forbidden):
    """`details.methods` are those that `POST /auth/step-up` accepts from this user."""

    code = "STEP_UP_REQUIRED"
    message = "Confirm your identity: POST /api/v1/auth/step-up, or sign in again."


class MfaEnrollmentRequired(Forbidden):
    """The user must set up a second factor first; their own account stays available for that."""

    code = "MFA_ENROLLMENT_REQUIRED"
    message = "This requires two-factor authentication. Turn it on first."


class MfaRequiredByTeam(Forbidden):
    """The user has a second factor, but this session has not verified it."""

    code = "MFA_REQUIRED_BY_TEAM"
    message = "This team requires two-factor authentication: POST /api/v1/auth/step-up, or sign in again."


class MfaRequiredForAdmins(Forbidden):
    """The user has a second factor, but this session has not verified it."""

    code = "MFA_REQUIRED_FOR_ADMINS"
    message = "Administration requires two-factor authentication: POST /api/v1/auth/step-up, or sign in again."


def get_step_up_methods(principal: Principal) -> dict[str, Any]:
    """The methods by which this user can reauthenticate: a second factor if there is one, otherwise the password.

    A user without both has to sign in again at an identity provider. A token of an external issuer has no session here
    that could be reauthenticated: the issuer must issue a new token.
    """
    if principal.session_id_or_none is None or current_context().find(StepUpAuthentication) is None:
        return {"methods": [SIGN_IN_AGAIN]}
    factors = {"totp": "code", "passkey": "passkey"}
    methods = [factors[each] for each in principal.second_factors if each in factors]
    if methods:
        methods.append("recovery_code")
    elif principal.subject is None or principal.subject.get("has_password", True):
        methods.append("password")
    return {"methods": [*methods, SIGN_IN_AGAIN]}


def require_recent_authentication(principal: Principal) -> None:
    """Raises `StepUpRequired` unless this session was authenticated within STEP_UP_MINUTES.

    Also refuses a time of authentication that lies more than STEP_UP_MINUTES in the future. Raises
    `InteractiveSessionRequired` for API keys and `ImpersonationForbidden` for impersonators, who cannot reauthenticate.
    """
    if principal.api_key_id is not None:
        raise InteractiveSessionRequired
    if principal.impersonator_id is not None:
        raise ImpersonationForbidden
    settings = load(StepUpSettings)
    if (
        principal.reauthenticated_at is None
        or abs(utc_now() - principal.reauthenticated_at) > settings.step_up_lifetime
    ):
        details = get_step_up_methods(principal)
        only_sign_in = details["methods"] == [SIGN_IN_AGAIN]
        raise StepUpRequired("Confirm your identity: sign in again." if only_sign_in else None, details=details)


def require_second_factor(principal: Principal, otherwise: type[Forbidden]) -> None:
    """Raises `MfaEnrollmentRequired` if the user has no second factor, `otherwise` if the session did not verify it."""
    if not principal.second_factors:
        raise MfaEnrollmentRequired
    if not principal.passed_mfa:
        raise otherwise(details=get_step_up_methods(principal))


def require_team_mfa(principal: Principal) -> None:
    """Raises as `require_second_factor` does if the current team requires a second factor."""
    if principal.mfa_blocked:
        require_second_factor(principal, MfaRequiredByTeam)


def require_admin_mfa(principal: Principal) -> None:
    """Raises as `require_second_factor` does if ADMIN_REQUIRES_MFA is set."""
    if load(StepUpSettings).is_admin_mfa_required:
        require_second_factor(principal, MfaRequiredForAdmins)
