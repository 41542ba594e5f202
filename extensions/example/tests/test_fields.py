"""The fields of users that this extension adds."""

from uuid import UUID

from extensions.example.fields import EmployeeFields
from httpx2 import AsyncClient

from undercroft.core.db import Database
from undercroft.core.http import Surface

ME, USERS = f"{Surface.APP.prefix}/users/me", f"{Surface.ADMIN.prefix}/users"


async def test_user_sets_the_desk_and_an_administrator_the_key(
    user: AsyncClient, admin: AsyncClient, database: Database
) -> None:
    profile = (await user.get(ME)).json()
    assert (profile["desk"], profile["keyholder"]) == (None, False)
    assert (await user.patch(ME, json={"desk": "Library 4"})).json()["desk"] == "Library 4"
    refused = await user.patch(ME, json={"keyholder": True})
    assert refused.json()["error"]["details"]["fields"][0]["field"] == "body.keyholder"
    changed = await admin.patch(f"{USERS}/{profile['id']}", json={"keyholder": True})
    assert (changed.json()["desk"], changed.json()["keyholder"]) == ("Library 4", True)
    async with database.read_session() as session:
        stored = await EmployeeFields.of(session, UUID(profile["id"]))
    assert (stored.desk, stored.keyholder) == ("Library 4", True)


async def test_administrators_find_users_by_the_fields(user: AsyncClient, admin: AsyncClient) -> None:
    profile = (await user.patch(ME, json={"desk": "Library 5"})).json()
    found = (await admin.get(USERS, params={"desk": "Library 5", "keyholder": False, "sort": "-desk"})).json()
    assert [each["id"] for each in found["items"]] == [profile["id"]]
    assert (await admin.get(USERS, params={"desk": "Library 5", "keyholder": True})).json()["total"] == 0
