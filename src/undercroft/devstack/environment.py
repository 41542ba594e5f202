"""The project's own configuration: environment variables, `.env`, and whether it has a database and Redis."""

import asyncio
import hashlib

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load, read_environ
from undercroft.devstack.state import EMBEDDED, DevState


class ProjectEnvironment:
    """Reads `.env` once. Raises `ConfigurationError` if it is corrupt or core settings are invalid."""

    def __init__(self) -> None:
        load(CoreSettings)
        self._values = read_environ()

    def value(self, name: str) -> str:
        """Return the project's value; environment variables override `.env`. Empty if it is not set."""
        return self._values.get(name.lower(), "")

    @property
    def has_database(self) -> bool:
        return bool(self.value("DATABASE_URL") or self.value("POSTGRES_HOST"))

    @property
    def database_fingerprint(self) -> str:
        """An identifier by which the database is recognized; it does not reveal the URL."""
        if not self.has_database:
            return EMBEDDED
        parts = "".join(self.value(name) for name in ("DATABASE_URL", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB"))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    @property
    def has_redis(self) -> bool:
        return bool(self.value("REDIS_URL"))

    def environment(self, state: DevState) -> dict[str, str]:
        """Return the additional environment variables of our programs; settings of the project take precedence."""
        defaults = {
            "SECRET_KEY": state.secret_key,
            "DEMO_PASSWORD": state.demo_password,
            "PUBLIC_URL": state.url,
            "ENABLED_EXTENSIONS": state.enabled_extensions,
            "DISABLED_MODULES": state.disabled_modules,
        }
        if not self.has_database:
            defaults["DATABASE_URL"] = state.roles.url("app", "127.0.0.1", state.postgres_port)
            defaults["MIGRATION_DATABASE_URL"] = state.roles.url("owner", "127.0.0.1", state.postgres_port)
            defaults["ADMIN_DATABASE_URL"] = state.roles.url("admin", "127.0.0.1", state.postgres_port)
        missing = {name: value for name, value in defaults.items() if not self.value(name)}
        return {**missing, "ENVIRONMENT": "development", "MIGRATE_ON_START": "true", "PYTHONUNBUFFERED": "1"}

    def require_database(self) -> None:
        """Raise `ConfigurationError` if we cannot connect to the project's database."""
        from undercroft.core.db.connect import CONNECT_ERRORS, connect
        from undercroft.core.db.errors import unreachable_error
        from undercroft.core.db.settings import DatabaseSettings

        url = load(DatabaseSettings).url

        async def try_connection() -> None:
            await (await connect(url, timeout=5)).close()

        try:
            asyncio.run(try_connection())
        except CONNECT_ERRORS as error:
            raise ConfigurationError(
                f"{unreachable_error(url, error)}\n"
                "Or unset DATABASE_URL: `undercroft dev` then starts an embedded PostgreSQL."
            ) from None
