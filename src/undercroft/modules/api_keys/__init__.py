"""API keys, with which programs authenticate on behalf of a user or a team."""

from undercroft.core import Module
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.repository import ApiKeyRepository

MODULE = Module(requires=("users", "teams", "sessions"), optional=True)

__all__ = ["MODULE", "ApiKey", "ApiKeyRepository"]
