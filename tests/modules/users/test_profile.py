"""Routes of the current user."""

from typing import Any

import pytest
from httpx2 import AsyncClient

ME = "/api/v1/app/users/me"


async def test_user_updates_the_profile(user: AsyncClient) -> None:
    changes = {
        "full_name": " Ada Lovelace ",
        "locale": "pt-BR",
        "timezone": "Europe/London",
        "avatar_url": "https://example.com/ada.png",
        "notifications": {"news": False, "comments.mine": True},
    }
    response = await user.patch(ME, json=changes)
    assert response.status_code == 200, response.text
    assert {name: response.json()[name] for name in changes} == {**changes, "full_name": "Ada Lovelace"}
    assert (await user.get(ME)).json() == response.json()
    assert (await user.patch(ME, json={"avatar_url": None})).json()["avatar_url"] is None
    assert (await user.get(ME)).json()["locale"] == "pt-BR"


@pytest.mark.parametrize(
    "change",
    [
        {"email": "another@example.com"},
        {"role": "superadmin"},
        {"is_active": True},
        {"password_hash": "x"},
        {"id": "01a1fe86-8367-7078-9e7a-e26f10ad5777"},
        {"full_name": None},
        {"full_name": "two\nlines"},
        {"full_name": "x" * 201},
        {"locale": "not a language"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"avatar_url": "javascript:alert(1)"},
        {"avatar_url": "http://example.com/plain.png"},
        {"notifications": {"Not A Topic": True}},
        {"notifications": {"news": "perhaps"}},
        {"notifications": {f"topic{number}": True for number in range(51)}},
    ],
)
async def test_invalid_or_read_only_profile_fields_are_refused(user: AsyncClient, change: dict[str, Any]) -> None:
    before = (await user.get(ME)).json()
    assert (await user.patch(ME, json=change)).status_code == 422
    assert (await user.get(ME)).json() == before


async def test_profile_requires_authentication(client: AsyncClient) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert (await client.request(method, ME, json={})).status_code == 401
