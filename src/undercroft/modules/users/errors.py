"""Errors of the users module."""

from undercroft.core.errors import Conflict, Forbidden, NotFound
from undercroft.core.hooks import Deferred


class UserNotFound(NotFound):
    code = "USER_NOT_FOUND"
    message = "User not found."


class EmailTaken(Conflict):
    code = "EMAIL_TAKEN"
    message = "This email address belongs to another account."


class LastSuperadmin(Conflict):
    code = "LAST_SUPERADMIN"
    message = "This is the last superadmin. Promote another superadmin first."


class RoleTooWeak(Forbidden):
    code = "ROLE_TOO_WEAK"
    message = "Only a superadmin may change administrators or promote users."


class SignUpWaitlisted(Deferred):
    """Raised by a hook of `SignUp` that has put the address on a waiting list. The response is the same if it was."""

    code = "SIGN_UP_WAITLISTED"
    message = "You are on the waiting list. We will write to you when it is your turn."
