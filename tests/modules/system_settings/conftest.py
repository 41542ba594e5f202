"""Change a setting by the API, and read it in this process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio
from httpx2 import AsyncClient

from tests.modules.admin.conftest import browser
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.live.process import LiveValues
from undercroft.modules.system_settings import SettingService

__all__ = ["browser"]

SETTINGS = "/api/v1/admin/settings"

SetValue = Callable[..., Awaitable[dict[str, Any]]]


async def change(database: Database, *values: tuple[str, Any]) -> None:
    """Change settings as another process does: this one has not been notified yet."""
    async with database.session() as session:
        for name, value in values:
            await SettingService(session).change(name, value)


async def refresh() -> None:
    await current_context().get(LiveValues).refresh()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def unchanged(app: Api) -> AsyncIterator[None]:
    """After the test, return to the environment: other tests of this worker use the same application."""
    yield
    from undercroft.modules.system_settings.live import set_values

    set_values({})
    app.apply_settings()


@pytest_asyncio.fixture(loop_scope="session")
async def set_value(admin: AsyncClient) -> SetValue:
    """Set a value: `await set_value("MAINTENANCE_MODE", True)`."""

    async def change(name: str, value: Any) -> dict[str, Any]:
        response = await admin.put(f"{SETTINGS}/{name}", json={"value": value})
        assert response.status_code == 200, response.text
        await refresh()
        return dict(response.json())

    return change
