"""Routes that refuse API keys and require an interactive session."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from httpx2 import AsyncClient

from tests.modules.api_keys.requests import ME, api_key_client, assert_error, make_key, make_team
from undercroft.app.api import offline_app
from undercroft.core.http import get_info
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id


def interactive_routes() -> Iterator[tuple[str, str]]:
    """Yield every route of the surface `auth`, and every other route that refuses API keys."""
    for route in offline_app().router.routes:
        if isinstance(route, APIRoute) and not get_info(route).api_keys:
            path = route.path_format
            for name in route.param_convertors:
                path = path.replace("{" + name + "}", str(new_id()))
            yield from ((method, path) for method in sorted(route.methods))


ROUTES = list(interactive_routes())


def test_interactive_routes_are_found() -> None:
    assert {("DELETE", ME), ("POST", "/api/v1/app/api-keys"), ("POST", "/api/v1/auth/password/change")} <= set(ROUTES)
    assert len(ROUTES) > 20


async def test_interactive_routes_refuse_api_keys(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    keys = [await make_key(user), await make_key(user, team=team, kind="team")]
    for created in keys:
        async with api_key_client(app, created["key"]) as http:
            for method, path in ROUTES:
                response = await http.request(method, path, json={} if method != "GET" else None)
                assert response.status_code == 403, (method, path, response.text)
                assert response.json()["error"]["code"] in ("INTERACTIVE_SESSION_REQUIRED", "SCOPE_MISSING"), (
                    method,
                    path,
                )


async def test_api_key_gets_an_interactive_session_error_instead_of_a_step_up_error(
    app: Api, user: AsyncClient
) -> None:
    team = await make_team(user)
    path = f"/api/v1/app/teams/{team}"
    async with api_key_client(app, (await make_key(user))["key"]) as http:
        assert_error(await http.delete(path), 403, "INTERACTIVE_SESSION_REQUIRED")
        response = await http.post(f"{path}/transfer", json={"user_id": str(new_id())})
        assert_error(response, 403, "INTERACTIVE_SESSION_REQUIRED")


@pytest.mark.parametrize("before", ["Bearer ", "bearer ", "BEARER ", "Bearer  ", "Bearer \t"])
async def test_sign_in_with_an_api_key_is_refused_for_any_spelling_of_the_header(
    app: Api, user: AsyncClient, client: AsyncClient, before: str
) -> None:
    key = (await make_key(user))["key"]
    for method in ("GET", "DELETE"):
        response = await client.request(method, "/api/v1/auth/sessions", headers={"Authorization": f"{before}{key}"})
        assert_error(response, 403, "INTERACTIVE_SESSION_REQUIRED")


async def test_duplicate_authorization_header_does_not_hide_the_key(
    app: Api, user: AsyncClient, client: AsyncClient
) -> None:
    key = (await make_key(user))["key"]
    twice = [("Authorization", user.headers["Authorization"]), ("Authorization", f"Bearer {key}")]
    assert_error(await client.delete("/api/v1/auth/sessions", headers=twice), 403, "INTERACTIVE_SESSION_REQUIRED")
