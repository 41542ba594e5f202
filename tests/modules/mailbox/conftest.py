from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest

from undercroft.app.api import create_app
from undercroft.core import settings
from undercroft.core.settings import CoreSettings, Environment
from undercroft.providers.email import EmailSettings


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path) -> None:
    """Settings of a development environment that stores emails."""
    settings.use(CoreSettings(environment=Environment.DEVELOPMENT, app_name="Acme"))
    settings.use(EmailSettings(email_provider="mailbox", email_mailbox_folder=tmp_path / "mailbox"))


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A client on this machine."""
    async with client() as browser:
        yield browser


def client(base_url: str = "http://127.0.0.1:8000", *, peer: str = "127.0.0.1", **options) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(), client=(peer, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=base_url, **options)
