"""Errors of the users module."""

from undercroft.core.errors import Conflict, Forbidden, NotFound


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
