"""What can go wrong with teams."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unprocessable


class TeamNotFound(NotFound):
    code = "TEAM_NOT_FOUND"
    message = "There is no such team."


class MemberNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"
    message = "There is no such member."


class RoleNotFound(NotFound):
    code = "ROLE_NOT_FOUND"
    message = "The team has no such role of its own."


class InvitationNotFound(NotFound):
    code = "INVITATION_NOT_FOUND"
    message = "There is no such invitation."


class JoinOfferNotFound(NotFound):
    """Committed, so that a claim which was found to be over is over."""

    code = "JOIN_OFFER_NOT_FOUND"
    message = "This team does not offer you to join. Ask a member of the team for an invitation."
    commits = True


class SlugTaken(Conflict):
    code = "SLUG_TAKEN"
    message = "Another team has this slug."


class LastOwner(Conflict):
    code = "LAST_OWNER"
    message = "A team needs an owner: make somebody else one first."


class TeamWithoutOwner(Conflict):
    code = "TEAM_WITHOUT_OWNER"
    message = "Nobody who owned this team has an account any more, so it cannot be restored. Make a new one."


class PersonalTeam(Conflict):
    code = "PERSONAL_TEAM"
    message = "A personal team stays with its user, alone."


class AlreadyMember(Conflict):
    code = "ALREADY_MEMBER"
    message = "This address belongs to a member of the team."


class RoleTaken(Conflict):
    code = "ROLE_TAKEN"
    message = "The team has a role of this name."


class RoleInUse(Conflict):
    """`details` say how many members and pending invitations have it, and whether people join in it by their domain."""

    code = "ROLE_IN_USE"
    message = "Somebody has this role. Give them another one first."


class SeatLimitReached(Conflict):
    code = "SEAT_LIMIT_REACHED"
    message = "All seats of the team are taken."


class UnknownRole(Unprocessable):
    code = "UNKNOWN_ROLE"
    message = "The team has no role of this name."


class UnknownPermission(Unprocessable):
    """`details.permissions` names those that nobody declared, or that belong to built-in roles alone."""

    code = "UNKNOWN_PERMISSION"
    message = "That is not something a role can be granted."


class DomainNotVerified(Unprocessable):
    code = "DOMAIN_NOT_PROVEN"
    message = "Only the domain of your own verified address can be added."


class PublicMailDomain(Unprocessable):
    code = "PUBLIC_MAIL_DOMAIN"
    message = "Anybody may have an address of this domain, so nobody can join by it."


class TeamRoleTooWeak(Forbidden):
    """`details.permission` or `details.permissions` say what is missing."""

    code = "PERMISSION_DENIED"
    message = "Your role in this team does not allow this."


class InvitationEmailMismatch(Forbidden):
    code = "INVITATION_FOR_ANOTHER"
    message = "This invitation was sent to another address than yours."


class InvitationInvalid(BadRequest):
    code = "INVITATION_INVALID"
    message = "This invitation is not valid any more. Ask for a new one."
