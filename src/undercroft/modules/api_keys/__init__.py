"""API keys, with which programs authenticate on behalf of a user or a team."""

from undercroft.modules.api_keys.keys import parse_key
from undercroft.modules.api_keys.last_used import ApiKeyLastUsed
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.repository import ApiKeyRepository

REQUIRES = ("users", "teams")

__all__ = ["REQUIRES", "ApiKey", "ApiKeyLastUsed", "ApiKeyRepository", "parse_key"]
