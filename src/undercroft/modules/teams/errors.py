"""What can go wrong with teams."""

from undercroft.core.errors import Conflict, Forbidden, NotFound


class TeamNotFound(NotFound):
    code = "TEAM_NOT_FOUND"
    message = "There is no such team."


class MemberNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"
    message = "There is no such member."


class SlugTaken(Conflict):
    code = "SLUG_TAKEN"
    message = "Another team has this slug."


class LastOwner(Conflict):
    code = "LAST_OWNER"
    message = "A team needs an owner: make somebody else one first."


class PersonalTeam(Conflict):
    code = "PERSONAL_TEAM"
    message = "A personal team stays with its user."


class TeamRoleTooWeak(Forbidden):
    code = "PERMISSION_DENIED"
    message = "Your role in this team does not allow this."
