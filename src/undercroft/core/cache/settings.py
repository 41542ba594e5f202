"""Connection settings of Redis or Valkey."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from undercroft.core.settings import SettingsBase


class RedisSettings(SettingsBase):
    section = "Redis or Valkey"

    redis_url: SecretStr = Field(
        SecretStr(""),
        description="redis://:password@host:6379/0 (rediss:// for TLS). If empty, limits and caches live in each "
        "process's memory; `undercroft dev` starts its own server.",
    )
    redis_timeout: float = Field(0.5, gt=0, description="Seconds to wait for a connection or a response.")
    redis_max_connections: int = Field(32, ge=1, description="Connections per process.")

    @field_validator("redis_url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if not url:
            return value
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in ("redis", "rediss", "unix") and (bool(parts.hostname) or parts.scheme == "unix")
            _ = parts.port
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ValueError("REDIS_URL must look like redis://:password@host:6379/0 (password URL-encoded)")
        return value
