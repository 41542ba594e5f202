"""Database settings: one URL or its parts."""

import pytest
from pydantic import SecretStr, ValidationError

from undercroft.core.db.settings import DatabaseSettings


def test_url_is_built_from_parts_with_encoded_credentials() -> None:
    settings = DatabaseSettings(
        database_url=SecretStr(""),
        postgres_host="db.example",
        postgres_port=6543,
        postgres_user="me@work",
        postgres_password=SecretStr("p/w:d#?"),
        postgres_db="my db",
    )
    assert settings.url == "postgresql://me%40work:p%2Fw%3Ad%23%3F@db.example:6543/my%20db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_common_schemes_are_accepted(scheme: str) -> None:
    assert DatabaseSettings(database_url=SecretStr(f"{scheme}://u:p@h/d")).url == "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslmode=require&channel_binding=require", "sslmode=require"),
        ("connect_timeout=10&keepalives=1&application_name=shop", "application_name=shop"),
        ("target_session_attrs=read-write", "target_session_attrs=primary"),
        ("target_session_attrs=any", "target_session_attrs=any"),
        ("options=-c%20work_mem%3D8MB", "options=-c+work_mem%3D8MB"),
        ("ssl=disable", "sslmode=disable"),
        ("ssl=require&sslmode=require", "sslmode=require&sslmode=require"),
        ("prepared_statement_cache_size=0&statement_cache_size=0&sslmode=allow", "sslmode=allow"),
        ("host=a:5432&host=b:5433", "host=a%2Cb&port=5432%2C5433"),
        ("passfile=/p&krbsrvname=k&gsslib=sspi", "passfile=%2Fp&krbsrvname=k&gsslib=sspi"),
    ],
)
def test_libpq_only_options_are_removed_from_the_url(query: str, expected: str) -> None:
    settings = DatabaseSettings(database_url=SecretStr(f"postgresql://u:p%40@h/d?{query}"))
    assert settings.url == f"postgresql://u:p%40@h/d?{expected}"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("ssl=maybe", "has ssl=maybe; use one of disable, allow, prefer"),
        ("sslmode=on", "has sslmode=on; use one of"),
        ("ssl=disable&sslmode=require", "conflicting ssl and sslmode: disable and require"),
        ("prepared_statement_cache_size=many", "use a number, 0 for no cache"),
        ("timeout=5", "remove it and set DB_CONNECT_TIMEOUT instead"),
        ("command_timeout=5", "remove it and set DB_STATEMENT_TIMEOUT instead"),
        ("max_cached_statement_lifetime=0", "which a URL cannot set; remove it"),
        ("direct_tls=true", "which a URL cannot set; remove it"),
    ],
)
def test_unsupported_option_raises_one_clear_error(query: str, error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        DatabaseSettings(database_url=SecretStr(f"postgresql+asyncpg://u:p@h/d?{query}"))


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("", None),
        ("prepared_statement_cache_size=0", 0),
        ("statement_cache_size=7", 7),
        ("statement_cache_size=0&prepared_statement_cache_size=9", 0),
    ],
)
def test_statement_cache_size_is_taken_from_the_url(query: str, size: int | None) -> None:
    assert DatabaseSettings(database_url=SecretStr(f"postgresql://h/d?{query}")).statement_cache_size == size
    pooled = DatabaseSettings(database_url=SecretStr(f"postgresql://h/d?{query}"), database_pooler="transaction")
    assert pooled.statement_cache_size == 0


@pytest.mark.parametrize("url", ["mysql://h/d", "h:5432/d", "postgresql://u:p@h:notaport/d", "postgresql://"])
def test_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        DatabaseSettings(database_url=SecretStr(url))


def test_migration_and_admin_urls_default_to_database_url() -> None:
    settings = DatabaseSettings(database_url=SecretStr("postgresql://u:p@h/d"))
    assert settings.migration_url == settings.admin_url == settings.direct_url == settings.url


def test_migrations_bypass_a_pooler() -> None:
    settings = DatabaseSettings(
        database_url=SecretStr("postgresql://u:p@pooler/d"),
        database_direct_url=SecretStr("postgresql://u:p@direct/d"),
        database_pooler="transaction",
    )
    assert settings.migration_url == "postgresql://u:p@direct/d"
    assert settings.has_direct_connection


def test_production_requires_a_database() -> None:
    unset = DatabaseSettings(database_url=SecretStr(""), postgres_host="")
    assert unset.url == ""
    (error,) = unset.production_errors()
    assert error.startswith("DATABASE_URL is not set.")
    by_url = DatabaseSettings(database_url=SecretStr("postgresql://u:p@h/d"), postgres_host="")
    by_parts = DatabaseSettings(database_url=SecretStr(""), postgres_host="db.example")
    assert [*by_url.production_errors(), *by_parts.production_errors()] == []
