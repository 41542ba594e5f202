"""Redis or Valkey, where there is one."""

from undercroft.core.cache.client import Cache
from undercroft.core.cache.settings import RedisSettings

__all__ = ["Cache", "RedisSettings"]
