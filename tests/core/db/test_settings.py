"""Where the database is, said in one setting or in parts."""

import pytest
from pydantic import SecretStr, ValidationError

from undercroft.core.db.settings import DatabaseSettings


def test_parts_are_put_together_with_credentials_encoded() -> None:
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
def test_every_usual_scheme_is_taken(scheme: str) -> None:
    assert DatabaseSettings(database_url=SecretStr(f"{scheme}://u:p@h/d")).url == "postgresql://u:p@h/d"


@pytest.mark.parametrize("url", ["mysql://h/d", "h:5432/d", "postgresql://u:p@h:notaport/d", "postgresql://"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        DatabaseSettings(database_url=SecretStr(url))


def test_migrations_and_the_admin_surface_fall_back_to_the_one_url() -> None:
    settings = DatabaseSettings(database_url=SecretStr("postgresql://u:p@h/d"))
    assert settings.migration_url == settings.admin_url == settings.direct_url == settings.url


def test_migrations_go_past_a_pooler() -> None:
    settings = DatabaseSettings(
        database_url=SecretStr("postgresql://u:p@pooler/d"),
        database_direct_url=SecretStr("postgresql://u:p@direct/d"),
        database_pooler="transaction",
    )
    assert settings.migration_url == "postgresql://u:p@direct/d"
    assert settings.has_direct_connection
