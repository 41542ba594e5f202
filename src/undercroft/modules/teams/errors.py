"""Errors of the teams module."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unprocessable


class TeamNotFound(NotFound):
    code = "TEAM_NOT_FOUND"
    message = "Team not found."


class MemberNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"
    message = "Member not found."


class RoleNotFound(NotFound):
    code = "ROLE_NOT_FOUND"
    message = "The team has no custom role with this ID."


class InvitationNotFound(NotFound):
    code = "INVITATION_NOT_FOUND"
    message = "Invitation not found."


class JoinOfferNotFound(NotFound):
    """Commits the transaction, so that a stale claim found while accepting stays revoked."""

    code = "JOIN_OFFER_NOT_FOUND"
    message = "You cannot join this team. Ask a member of the team for an invitation."
    commits = True


class SlugTaken(Conflict):
    code = "SLUG_TAKEN"
    message = "Another team uses this slug. Choose another one."


class LastOwner(Conflict):
    code = "LAST_OWNER"
    message = "A team needs at least one owner. Make another member an owner first."


class TeamWithoutOwner(Conflict):
    code = "TEAM_WITHOUT_OWNER"
    message = "No former owner of this team has an account, so it cannot be restored. Create a new team."


class PersonalTeam(Conflict):
    code = "PERSONAL_TEAM"
    message = "This is not possible for a personal team. Create another team to work with others."


class AlreadyMember(Conflict):
    code = "ALREADY_MEMBER"
    message = "A member of the team already has this email address."


class RoleTaken(Conflict):
    code = "ROLE_TAKEN"
    message = "The team already has a role with this name."


class RoleInUse(Conflict):
    """`details` has the numbers of members and pending invitations, and whether domain users join with the role."""

    code = "ROLE_IN_USE"
    message = "Members or invitations still use this role. Assign another role to them first."


class SeatLimitReached(Conflict):
    code = "SEAT_LIMIT_REACHED"
    message = "All seats of the team are taken. Ask an owner to add seats or remove a member."


class UnknownRole(Unprocessable):
    code = "UNKNOWN_ROLE"
    message = "The team has no role with this name."


class UnknownPermission(Unprocessable):
    """`details.permissions` lists the unknown permissions, and those reserved for built-in roles."""

    code = "UNKNOWN_PERMISSION"
    message = "A custom role cannot grant these permissions."


class DomainNotVerified(Unprocessable):
    code = "DOMAIN_NOT_VERIFIED"
    message = "You can add only the domain of your own verified email address."


class PublicEmailDomain(Unprocessable):
    code = "PUBLIC_EMAIL_DOMAIN"
    message = "This domain belongs to a public email provider. Use a domain of your organization."


class TeamRoleTooWeak(Forbidden):
    """`details.permission` or `details.permissions` lists the missing permissions."""

    code = "PERMISSION_DENIED"
    message = "Your role in this team does not allow this."


class InvitationEmailMismatch(Forbidden):
    code = "INVITATION_EMAIL_MISMATCH"
    message = "This invitation was sent to another email address. Sign in with that address."


class InvitationInvalid(BadRequest):
    code = "INVITATION_INVALID"
    message = "The invitation has expired or was already used. Ask the person who invited you to send a new invitation."
