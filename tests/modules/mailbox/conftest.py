from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from undercroft.app.api import create_app
from undercroft.core import settings
from undercroft.core.settings import CoreSettings, Environment
from undercroft.providers.email import EmailProviderName, EmailSettings


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path) -> Iterator[None]:
    """Settings of a development environment that stores emails; restored after the test."""
    before = dict(settings._loaded)
    settings.use(CoreSettings(environment=Environment.DEVELOPMENT, app_name="Acme"))
    settings.use(EmailSettings(email_provider=EmailProviderName.MAILBOX, email_mailbox_folder=tmp_path / "mailbox"))
    yield
    settings.reset()
    settings._loaded.update(before)


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A client on this machine."""
    async with client() as browser:
        yield browser


def client(base_url: str = "http://127.0.0.1:8000", *, peer: str = "127.0.0.1", **options) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(), client=(peer, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=base_url, **options)
