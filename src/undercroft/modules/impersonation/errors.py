"""Errors of impersonation."""

from undercroft.core.errors import Conflict, Forbidden


class ImpersonationNotAllowed(Forbidden):
    """Admins can impersonate users without a platform role, superadmins also admins. No user can impersonate itself."""

    code = "IMPERSONATION_NOT_ALLOWED"
    message = "You are not allowed to impersonate this user."


class UserInactive(Conflict):
    code = "USER_INACTIVE"
    message = "This user is deactivated and cannot be impersonated."


class NotImpersonating(Conflict):
    code = "NOT_IMPERSONATING"
    message = "You are not impersonating a user."
