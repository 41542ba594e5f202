"""What can go wrong with acting as somebody."""

from undercroft.core.errors import Conflict, Forbidden


class ImpersonationNotAllowed(Forbidden):
    """Nobody acts as themselves; an admin acts as people without a role, a superadmin as admins, too."""

    code = "IMPERSONATION_NOT_ALLOWED"
    message = "You may not act as this person."


class UserInactive(Conflict):
    code = "PERSON_INACTIVE"
    message = "This person may not come in, so nobody can act as them."


class NotImpersonating(Conflict):
    code = "NOT_IMPERSONATING"
    message = "You act as nobody but yourself."
