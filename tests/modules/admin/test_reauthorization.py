"""A form that waited is authorized again before it commits."""

from typing import Any

from tests.core.db.row_locks import count, holding_locks
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database


async def test_blocked_admin_form_is_rejected_when_the_session_is_revoked(
    database: Database, browser: Any, create_user: Any
) -> None:
    client, target = await browser(role=PlatformRole.SUPERADMIN), await create_user()
    path = f"/admin/user/edit/{target.user_id}"
    page = (await client.get(path)).text
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    form = {"full_name": "Mallory", "role": "user", "is_active": "y", "locale": "en", "timezone": "UTC", "seen": seen}
    async with holding_locks(database, "SELECT id FROM users WHERE id = $1 FOR UPDATE", target.user_id) as blocked:
        await blocked.send(client.post(path, data=form))
        await blocked.execute("UPDATE auth_sessions SET revoked_at = now() WHERE cookie_hash IS NOT NULL")
    assert (await blocked.requests[0]).status_code != 302
    assert await count(database, "SELECT count(*) FROM users WHERE full_name = 'Mallory'") == 0
