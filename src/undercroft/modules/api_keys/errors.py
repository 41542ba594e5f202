"""Errors of the API keys module."""

from undercroft.core.errors import Conflict, Forbidden, NotFound, Unprocessable
from undercroft.modules.sessions import BearerTokenError


class ApiKeyNotFound(NotFound):
    code = "API_KEY_NOT_FOUND"
    message = "API key not found."


class UnknownScope(Unprocessable):
    code = "UNKNOWN_SCOPE"
    message = "These scopes are not permission names."


class ScopesExceedRole(Forbidden):
    code = "SCOPES_EXCEED_ROLE"
    message = "A key cannot have permissions that you do not have."


class ExpiryInPast(Unprocessable):
    code = "EXPIRY_IN_PAST"
    message = "The expiry is in the past. Choose a later time."


class RotationOverlaps(Conflict):
    code = "ROTATION_OVERLAPS"
    message = "The previous key is still valid. Wait until it expires, or set `overlap_hours` to 0 to revoke it now."


class TooManyApiKeys(Conflict):
    code = "TOO_MANY_API_KEYS"
    message = "The maximum number of API keys is reached. Delete a key that you do not use."


class PersonalTeamKey(Conflict):
    code = "PERSONAL_TEAM"
    message = "A personal team cannot have API keys. Create a key of kind `user`."


class InvalidApiKey(BearerTokenError):
    code = "INVALID_API_KEY"
    message = "The API key is invalid."


class ApiKeyExpired(BearerTokenError):
    code = "API_KEY_EXPIRED"
    message = "The API key has expired."
