"""Forms that widen access require recent reauthentication, as the API does."""

from typing import Any

import pytest

from tests.architecture.test_step_up_policy import make_stale, unchanged
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database


@pytest.mark.parametrize("values", [{"role": "superadmin", "is_active": "y"}, {"role": "user", "is_active": "y"}])
async def test_form_without_recent_reauthentication_cannot_widen_access(
    database: Database, browser: Any, create_user: Any, values: dict[str, str]
) -> None:
    client, target = await browser(role=PlatformRole.SUPERADMIN), await create_user()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET is_active = false WHERE id = $1", target.user_id)
    await make_stale(database)
    path = f"/admin/user/edit/{target.user_id}"
    seen = (await client.get(path)).text.partition('name="seen" value="')[2].partition('"')[0]
    form = {"full_name": "Ada", "locale": "en", "timezone": "UTC", "seen": seen, **values}
    before = await unchanged(database)
    response = await client.post(path, data=form)
    assert "sign in again at /admin/login" in response.text
    assert await unchanged(database) == before
