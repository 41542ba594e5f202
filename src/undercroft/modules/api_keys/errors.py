"""What can go wrong with API keys."""

from undercroft.core.errors import Conflict, Forbidden, NotFound, Unprocessable


class ApiKeyNotFound(NotFound):
    code = "API_KEY_NOT_FOUND"
    message = "There is no such API key."


class UnknownScope(Unprocessable):
    code = "UNKNOWN_SCOPE"
    message = "These scopes are not names of permissions."


class ScopesExceedRole(Forbidden):
    code = "SCOPES_EXCEED_ROLE"
    message = "A key cannot have permissions that you do not have yourself."


class ExpiryInPast(Unprocessable):
    code = "EXPIRY_IN_PAST"
    message = "The key would have expired already."


class RotationOverlaps(Conflict):
    code = "ROTATION_OVERLAPS"
    message = "The key before this one still works. Wait until it ends, or rotate with `overlap_hours` 0 to end it now."


class TooManyApiKeys(Conflict):
    code = "TOO_MANY_API_KEYS"
    message = "There are as many keys as there may be. Delete one that is not used."


class PersonalTeamKey(Conflict):
    code = "PERSONAL_TEAM"
    message = "A personal team has no keys of its own: make one of the kind `user`."
