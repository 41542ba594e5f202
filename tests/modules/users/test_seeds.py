"""Demo accounts."""

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select

from tests.modules.auth.users import sign_in
from undercroft.core.db import Database
from undercroft.core.settings import load, use
from undercroft.modules.users import User
from undercroft.modules.users.seeds import ADMIN_EMAIL, DEMO_EMAIL, seed
from undercroft.modules.users.settings import DemoSettings

PASSWORD = "a demo password for tests"


@pytest.fixture(autouse=True)
def demo_password(test_settings: None) -> None:
    use(DemoSettings(demo_password=SecretStr(PASSWORD)))


async def seed_accounts(database: Database) -> int:
    async with database.session() as session:
        await seed(session)
    async with database.read_session() as session:
        return int(await session.scalar(select(func.count()).select_from(User)))


async def test_demo_accounts_are_created_once_and_can_sign_in(client: AsyncClient, database: Database) -> None:
    assert await seed_accounts(database) == await seed_accounts(database) == 2
    roles = {}
    for email in (DEMO_EMAIL, ADMIN_EMAIL):
        tokens = (await sign_in(client, email, PASSWORD)).json()
        me = await client.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        roles[email] = me.json()["role"]
    assert roles == {DEMO_EMAIL: "user", ADMIN_EMAIL: "superadmin"}


async def test_changed_demo_password_replaces_the_previous_one(client: AsyncClient, database: Database) -> None:
    await seed_accounts(database)
    use(DemoSettings(demo_password=SecretStr("another demo password")))
    assert await seed_accounts(database) == 2
    assert (await sign_in(client, DEMO_EMAIL, PASSWORD)).status_code == 401
    assert (await sign_in(client, DEMO_EMAIL, "another demo password")).status_code == 200


async def test_demo_accounts_are_not_created_without_a_demo_password(database: Database) -> None:
    use(DemoSettings(demo_password=SecretStr("")))
    assert await seed_accounts(database) == 0


def test_production_refuses_demo_accounts() -> None:
    (error,) = load(DemoSettings).production_errors()
    assert "DEMO_PASSWORD" in error
    assert PASSWORD not in error
