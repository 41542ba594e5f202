"""Flags that only tests declare, and a way to wait for a change."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient

from tests.modules.admin.conftest import browser
from undercroft.core.context import current_context
from undercroft.core.http.application import Api
from undercroft.core.live.process import LiveValues
from undercroft.modules.flags import Flag
from undercroft.modules.flags.service.evaluation import DeclaredFlags

__all__ = ["browser"]

BETA = Flag("hotel.beta", description="The new booking page.")
MAPS = Flag("hotel.maps", description="Maps of hotels.", default=True)
RULES = "/api/v1/admin/flags"
FEATURES = "/api/v1/app/flags"

SetRule = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(autouse=True)
def declared(app: Api) -> Any:
    """Declare two flags in the shared application."""
    app.context.add(DeclaredFlags, DeclaredFlags({flag.key: flag for flag in (BETA, MAPS)}))
    yield
    app.context.remove(DeclaredFlags)


@pytest_asyncio.fixture(loop_scope="session")
async def set_rule(admin: AsyncClient) -> AsyncIterator[SetRule]:
    """Change the rule of a flag by the API, and read it in this process: `await set_rule(BETA, percentage=25)`."""

    async def change(flag: Flag, **values: Any) -> dict[str, Any]:
        response = await admin.patch(f"{RULES}/{flag.key}", json=values)
        assert response.status_code == 200, response.text
        await current_context().get(LiveValues).refresh()
        return dict(response.json())

    yield change
