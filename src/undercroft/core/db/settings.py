"""Connection settings and timeouts of the database."""

from collections.abc import Iterator
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from undercroft.core.db.url import cache_size, normalize_url, url_errors
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import SettingsBase

ENGINE_URL = "postgresql+asyncpg://"
"""SQLAlchemy's URL of every engine. The driver reads the real URL from `dsn`, including TLS and socket options."""


class DatabaseSettings(SettingsBase):
    section = "Database"

    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL 15 or newer: postgresql://user:password@host:5432/name (user and password "
        "URL-encoded), with a role that may change rows. If empty, `undercroft dev` starts its own server.",
    )
    migration_database_url: SecretStr = Field(
        SecretStr(""),
        description="The same database with the role that owns the tables, for migrations. Default: DATABASE_URL.",
    )
    admin_database_url: SecretStr = Field(
        SecretStr(""), description="The same database with the role of `undercroft serve admin`. Default: DATABASE_URL."
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        description="Behind a transaction pooler: the URL that bypasses it, for LISTEN, locks and migrations.",
    )
    database_pooler: Literal["auto", "none", "transaction"] = Field(
        "auto",
        description="`transaction` behind PgBouncer or Supabase's pooler in transaction mode, otherwise `none`; "
        "`auto` checks when a process starts.",
    )
    postgres_host: str = Field("", description="The parts of DATABASE_URL (not URL-encoded), used if that is empty.")
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_user: str = "postgres"
    postgres_password: SecretStr = SecretStr("")
    postgres_db: str = "postgres"

    tenant_rls: bool = Field(
        False,
        description="`on`: row-level security, a second protection besides the repositories: PostgreSQL restricts each "
        "transaction to the rows of one team. `undercroft migrate upgrade` creates and drops the policies. The role of "
        "DATABASE_URL must neither own the tables nor be a superuser.",
    )

    db_pool_size: int = Field(8, ge=1, le=500, description="Maximum number of writing connections per process.")
    db_read_pool_size: int = Field(16, ge=1, le=500, description="Maximum number of reading connections per process.")
    db_pool: Literal["queue", "null"] = Field(
        "queue", description="`queue` pools connections; `null` opens a new one each time (serverless)."
    )
    db_acquire_timeout: float = Field(
        2, gt=0, description="Seconds to wait for a free connection before a request fails with 503."
    )
    db_connect_timeout: float = Field(2, gt=0, description="Seconds to wait for a new connection.")
    db_start_timeout: float = Field(
        60,
        ge=0,
        description="Seconds that `serve`, `worker` and `migrate upgrade` wait at startup for an unreachable database.",
    )
    db_statement_timeout: float = Field(5, gt=0, description="Maximum duration of a statement in seconds.")
    db_lock_timeout: float = Field(3, gt=0, description="Maximum seconds a statement waits for a lock.")
    db_pool_recycle: float = Field(1800, gt=0, description="Maximum age of a pooled connection in seconds.")
    db_pool_pre_ping: bool = Field(False, description="Test each connection before it is used.")
    db_slow_statement: float = Field(0.5, gt=0, description="Seconds from which a statement is logged as slow.")

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        for name in ("database_url", "migration_database_url", "admin_database_url", "database_direct_url"):
            value = getattr(self, name).get_secret_value()
            if value and (errors := list(url_errors(value))):
                raise ValueError("; ".join(f"{name.upper()} {error}" for error in errors))
        return self

    def production_errors(self) -> Iterator[str]:
        if not self.url:
            yield "DATABASE_URL is not set. Use PostgreSQL 15 or newer: postgresql://user:password@host:5432/name."

    @property
    def url(self) -> str:
        """The application's URL, from DATABASE_URL or its parts; empty if neither is set."""
        return normalize_url(self.database_url.get_secret_value()) or self._from_parts()

    @property
    def migration_url(self) -> str:
        return normalize_url(self.migration_database_url.get_secret_value()) or self.direct_url

    @property
    def admin_url(self) -> str:
        return normalize_url(self.admin_database_url.get_secret_value()) or self.url

    @property
    def direct_url(self) -> str:
        """The URL for LISTEN and locks, which bypasses a pooler."""
        return normalize_url(self.database_direct_url.get_secret_value()) or self.url

    @property
    def statement_cache_size(self) -> int | None:
        """The number of prepared statements that a connection caches; None for the driver's default."""
        if self.database_pooler == "transaction":
            return 0
        return cache_size(self.database_url.get_secret_value())

    @property
    def has_direct_connection(self) -> bool:
        return self.database_pooler != "transaction" or bool(self.database_direct_url.get_secret_value())

    def _from_parts(self) -> str:
        if not self.postgres_host:
            return ""
        password = self.postgres_password.get_secret_value()
        credentials = quote(self.postgres_user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return (
            f"postgresql://{credentials}@{self.postgres_host}:{self.postgres_port}/{quote(self.postgres_db, safe='')}"
        )


def require_url(url: str) -> str:
    """The URL itself. Raises `ConfigurationError` if it is empty because no database is configured."""
    if not url:
        raise ConfigurationError(
            "DATABASE_URL is not set. Set it in the environment or in .env, or use `undercroft dev`, which starts a "
            "PostgreSQL server."
        )
    return url
