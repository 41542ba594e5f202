"""Errors of impersonation."""

from undercroft.core.errors import Conflict, Forbidden


class ImpersonationNotAllowed(Forbidden):
    """Admins can impersonate users without a platform role, superadmins also admins. No user can impersonate itself."""

    code = "IMPERSONATION_NOT_ALLOWED"
    message = "You are not allowed to impersonate this user."


class UserInactive(Conflict):
    code = "USER_INACTIVE"
    message = "This user is deactivated and cannot be impersonated."


class CookieSessionRequired(Conflict):
    """A browser that impersonates a user is signed in with a session cookie, which continues afterwards."""

    code = "COOKIE_SESSION_REQUIRED"
    message = "To impersonate with a cookie, sign in with a session cookie. Or request a bearer token."


class NotImpersonating(Conflict):
    code = "NOT_IMPERSONATING"
    message = "You are not impersonating a user."
