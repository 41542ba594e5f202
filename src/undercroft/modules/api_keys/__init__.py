"""API keys, with which programs authenticate on behalf of a user or a team."""

from undercroft.core import Module
from undercroft.modules.api_keys.models import ApiKey, KeyKind
from undercroft.modules.api_keys.repository import ApiKeyRepository
from undercroft.modules.api_keys.schemas import ApiKeyCreate
from undercroft.modules.api_keys.service.api_keys import ApiKeyService

MODULE = Module(requires=("users", "teams", "sessions"), optional=True)

__all__ = ["MODULE", "ApiKey", "ApiKeyCreate", "ApiKeyRepository", "ApiKeyService", "KeyKind"]
