"""API keys: what programs present themselves with, on behalf of a user or of a team."""

from undercroft.modules.api_keys.keys import read_key
from undercroft.modules.api_keys.last_used import LastUsed
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.repository import ApiKeyRepository

REQUIRES = ("users", "teams")

__all__ = ["REQUIRES", "ApiKey", "ApiKeyRepository", "LastUsed", "read_key"]
