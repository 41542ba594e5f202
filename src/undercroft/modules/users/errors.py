"""What can be wrong with people."""

from undercroft.core.errors import Conflict, Forbidden, NotFound


class UserNotFound(NotFound):
    code = "USER_NOT_FOUND"
    message = "There is no such user."


class EmailTaken(Conflict):
    code = "EMAIL_TAKEN"
    message = "This address belongs to another account now."


class LastSuperadmin(Conflict):
    code = "LAST_SUPERADMIN"
    message = "This is the last superadmin. Make somebody else one first."


class RoleTooWeak(Forbidden):
    code = "ROLE_TOO_WEAK"
    message = "Only a superadmin may change administrators or make somebody one."
