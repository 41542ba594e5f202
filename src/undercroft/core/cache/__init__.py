"""Redis or Valkey, if configured."""

from undercroft.core.cache.client import Cache
from undercroft.core.cache.settings import RedisSettings

__all__ = ["Cache", "RedisSettings"]
