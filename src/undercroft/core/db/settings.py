"""Where the database is and how long anything may wait for it."""

from collections.abc import Iterator
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from undercroft.core.db.url import cache_size, normalize_url, url_errors
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import SettingsBase

ENGINE_URL = "postgresql+asyncpg://"
"""SQLAlchemy's URL of every engine: the driver reads the real one, the `dsn`, and what it says of TLS or a socket."""


class DatabaseSettings(SettingsBase):
    section = "Database"

    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL 15 or newer: postgresql://user:password@host:5432/name (user and password "
        "URL-encoded), as a role that may change rows. `undercroft dev` brings a server when this is empty.",
    )
    migration_database_url: SecretStr = Field(
        SecretStr(""),
        description="The same database as the role that owns its tables, for migrations; DATABASE_URL when empty.",
    )
    admin_database_url: SecretStr = Field(
        SecretStr(""), description="The same database as the role of `undercroft serve admin`; DATABASE_URL when empty."
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        description="Behind a transaction pooler: the URL that goes past it, for notifications, locks and migrations.",
    )
    database_pooler: Literal["auto", "none", "transaction"] = Field(
        "auto",
        description="`transaction` behind PgBouncer or Supabase's pooler in transaction mode, else `none`; "
        "`auto` finds out by looking when a process starts.",
    )
    postgres_host: str = Field(
        "", description="The parts of DATABASE_URL, as they are (not URL-encoded), used when that is empty."
    )
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_user: str = "postgres"
    postgres_password: SecretStr = SecretStr("")
    postgres_db: str = "postgres"

    tenant_rls: bool = Field(
        False,
        description="`on`: PostgreSQL itself shows and takes a team's rows only in a transaction for that team "
        "(row-level security), a second wall behind the repositories. `undercroft migrate upgrade` puts it up and "
        "takes it down; DATABASE_URL must name a role that neither owns the tables nor is a superuser.",
    )

    db_pool_size: int = Field(8, ge=1, le=500, description="The most connections for writing, per process.")
    db_read_pool_size: int = Field(16, ge=1, le=500, description="The most connections for reading, per process.")
    db_pool: Literal["queue", "null"] = Field(
        "queue", description="`queue` keeps connections; `null` connects anew each time (serverless)."
    )
    db_acquire_timeout: float = Field(
        2, gt=0, description="Seconds to wait for a free connection before a request is answered with 503."
    )
    db_connect_timeout: float = Field(2, gt=0, description="Seconds to wait for a new connection.")
    db_start_timeout: float = Field(
        60,
        ge=0,
        description="Seconds that `serve`, `worker` and `migrate upgrade` wait at start for a database that cannot be "
        "reached.",
    )
    db_statement_timeout: float = Field(5, gt=0, description="Seconds a statement may take.")
    db_lock_timeout: float = Field(3, gt=0, description="Seconds a statement may wait for a lock.")
    db_pool_recycle: float = Field(1800, gt=0, description="Seconds after which an idle connection is made anew.")
    db_pool_pre_ping: bool = Field(False, description="Ask each connection whether it lives before it is used.")
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
            yield "DATABASE_URL is not set. Name a PostgreSQL 15 or newer: postgresql://user:password@host:5432/name."

    @property
    def url(self) -> str:
        """The application's URL, from DATABASE_URL or its parts; empty when neither is set."""
        return normalize_url(self.database_url.get_secret_value()) or self._from_parts()

    @property
    def migration_url(self) -> str:
        return normalize_url(self.migration_database_url.get_secret_value()) or self.direct_url

    @property
    def admin_url(self) -> str:
        return normalize_url(self.admin_database_url.get_secret_value()) or self.url

    @property
    def direct_url(self) -> str:
        """For LISTEN and locks: past the pooler where there is one."""
        return normalize_url(self.database_direct_url.get_secret_value()) or self.url

    @property
    def statement_cache_size(self) -> int | None:
        """How many prepared statements a connection caches; None for the driver's default."""
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
    """The URL itself. Raises `ConfigurationError` when it is empty because no database is configured."""
    if not url:
        raise ConfigurationError(
            "DATABASE_URL is not set. Set it in the environment or in .env, or use `undercroft dev`, which brings a "
            "PostgreSQL."
        )
    return url
