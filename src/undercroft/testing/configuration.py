"""Settings for tests: independent of the environment, with test secrets and cheap password hashes."""

from pathlib import Path

from pydantic import SecretStr

from undercroft.core import settings
from undercroft.core.db import DatabaseSettings

SECRET = "a secret for tests only, 0123456789 abcdefghij"  # noqa: S105
PUBLIC_URL = "http://test.local"


def configure(*, app_url: str, owner_url: str, admin_url: str, mailbox: Path) -> None:
    """Make `settings.load` return settings for tests on this database, with emails in the folder `mailbox`.

    Only TENANT_RLS is read from the environment: all tests must pass with row-level security on and off.
    """
    from undercroft.core.security.settings import PasswordSettings
    from undercroft.providers.email import EmailSettings

    settings.reset()
    settings.use(
        settings.CoreSettings(
            environment=settings.Environment.TEST, secret_key=SecretStr(SECRET), public_url=PUBLIC_URL
        )
    )
    settings.use(
        DatabaseSettings(
            database_url=SecretStr(app_url),
            migration_database_url=SecretStr(owner_url),
            admin_database_url=SecretStr(admin_url),
        )
    )
    settings.use(PasswordSettings(password_memory_kib=64, password_time_cost=1))
    settings.use(EmailSettings(email_provider="mailbox", email_mailbox_folder=mailbox))
