"""An administrator in a browser, and the tasks, flags and backfills that only tests declare."""

from typing import Any

import pytest_asyncio

from tests.jobs.conftest import declared_tasks
from tests.jobs.test_backfills import declared_backfills
from tests.modules.console.conftest import PHONE, Visit, Visitor
from tests.modules.flags.conftest import declared
from tests.modules.system_settings.conftest import unchanged
from undercroft.core.auth import PlatformRole
from undercroft.testing import CreateUser

__all__ = ["declared", "declared_backfills", "declared_tasks", "unchanged"]

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
}
"""Options of the browsers in which each page is checked."""


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitor: Visitor, create_user: CreateUser) -> Visit:
    """An administrator in a browser."""
    return await visitor(await create_user(role=PlatformRole.ADMIN))
