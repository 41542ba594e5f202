"""Routes of projects."""

import asyncio

import pytest
from httpx2 import AsyncClient, Response

PROJECTS = "/api/v1/app/projects"


async def create(client: AsyncClient, **fields: object) -> dict:
    response = await client.post(PROJECTS, json={"name": "Website", **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def create_many(client: AsyncClient, number: int) -> list[dict]:
    return [await create(client, name=f"Project {n:02}") for n in range(number)]


def assert_error(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def test_created_project_is_read_as_returned(user: AsyncClient) -> None:
    response = await user.post(PROJECTS, json={"name": "  Website  ", "description": "New", "status": "on_hold"})
    created = response.json()
    assert response.status_code == 201
    assert response.headers["location"].endswith(f"{PROJECTS}/{created['id']}")
    assert (created["name"], created["description"], created["status"], created["version"]) == (
        "Website",
        "New",
        "on_hold",
        1,
    )
    read = await user.get(f"{PROJECTS}/{created['id']}")
    assert read.json() == created
    assert read.headers["etag"] == response.headers["etag"] == '"1"'


async def test_offset_pages_have_a_total_and_a_stable_order(user: AsyncClient) -> None:
    await create_many(user, 25)
    second = (await user.get(PROJECTS, params={"page": 2, "size": 10})).json()
    assert (second["total"], second["page"], second["size"], second["pages"]) == (25, 2, 10, 3)
    assert [each["name"] for each in second["items"]] == [f"Project {n:02}" for n in range(14, 4, -1)]


async def test_page_beyond_the_end_is_empty_with_the_total(user: AsyncClient) -> None:
    await create_many(user, 3)
    beyond = (await user.get(PROJECTS, params={"page": 99})).json()
    assert (beyond["items"], beyond["total"], beyond["pages"]) == ([], 3, 1)


async def test_search_and_filter_and_sort(user: AsyncClient) -> None:
    await create(user, name="Alpha", status="done")
    await create(user, name="Beta", description="follows alpha")
    await create(user, name="Gamma")
    page = (await user.get(PROJECTS, params={"q": "ALPHA", "sort": "-name"})).json()
    assert [each["name"] for each in page["items"]] == ["Beta", "Alpha"]
    done = (await user.get(PROJECTS, params={"status": "done"})).json()
    assert [each["name"] for each in done["items"]] == ["Alpha"]


async def test_every_sort_key_of_the_schema_is_accepted(user: AsyncClient) -> None:
    operation = (await user.get("/openapi.json")).json()["paths"][PROJECTS]["get"]
    (sort,) = (each["schema"] for each in operation["parameters"] if each["name"] == "sort")
    assert {"name", "-name", "-created_at"} <= set(sort["enum"])
    for value in sort["enum"]:
        assert (await user.get(PROJECTS, params={"sort": value})).status_code == 200


async def test_search_matches_any_unicode_normalization_form(user: AsyncClient) -> None:
    for name in ("Zu\u0308rich", "Z\u00fcrich"):
        await create(user, name=name)
    for q in ("Zu\u0308rich", "Z\u00fcrich", "ZU\u0308R"):
        page = (await user.get(PROJECTS, params={"q": q})).json()
        assert [each["name"] for each in page["items"]] == ["Z\u00fcrich", "Z\u00fcrich"]


async def test_page_has_twenty_projects_by_default(user: AsyncClient) -> None:
    await create_many(user, 21)
    by_page = (await user.get(PROJECTS)).json()
    first = (await user.get(PROJECTS, params={"limit": 20})).json()
    by_cursor = (await user.get(PROJECTS, params={"cursor": first["next_cursor"]})).json()
    assert (len(by_page["items"]), by_page["total"], len(first["items"]), len(by_cursor["items"])) == (20, 21, 20, 1)
    await create_many(user, 21)
    params = {"cursor": (await user.get(PROJECTS, params={"limit": 1})).json()["next_cursor"]}
    assert len((await user.get(PROJECTS, params=params)).json()["items"]) == 20


async def test_cursor_pages_return_each_project_once_during_inserts(user: AsyncClient) -> None:
    before = {each["id"] for each in await create_many(user, 25)}
    seen: list[str] = []
    params: dict[str, object] = {"limit": 10}
    while True:
        response = (await user.get(PROJECTS, params=params)).json()
        assert (response["total"], response["page"], response["pages"], response["size"]) == (None, None, None, 10)
        seen += [each["id"] for each in response["items"]]
        await create(user, name="Newcomer")
        if response["next_cursor"] is None:
            break
        params = {"limit": 10, "cursor": response["next_cursor"]}
    assert len(seen) == len(set(seen))
    assert set(seen) == before


@pytest.mark.parametrize(
    "params",
    [
        {"page": 0},
        {"page": "first"},
        {"page": 10**30},
        {"size": 0},
        {"size": 101},
        {"limit": 0},
        {"limit": 1000},
        {"cursor": "nonsense"},
        {"cursor": "%00"},
        {"sort": "password"},
        {"sort": "--name"},
        {"status": "lost"},
        {"q": "x" * 1001},
    ],
    ids=lambda params: str(params)[:40],
)
async def test_invalid_parameters_are_refused(user: AsyncClient, params: dict[str, object]) -> None:
    response = await user.get(PROJECTS, params=params)
    assert response.status_code == 422
    assert response.json()["error"]["code"] in {"VALIDATION_ERROR", "INVALID_CURSOR", "UNKNOWN_SORT"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": None},
        {"name": "nul\x00"},
        {"name": 5},
        {"name": "fine", "status": "lost"},
        {"name": "fine", "team_id": "01890000-0000-7000-8000-000000000000"},
        {"name": "fine", "description": "x" * 10_001},
        [],
        "text",
    ],
    ids=lambda body: str(body)[:30],
)
async def test_invalid_body_is_reported_by_field(user: AsyncClient, body: object) -> None:
    response = await user.post(PROJECTS, json=body)
    assert_error(response, 422, "VALIDATION_ERROR")
    assert response.json()["error"]["details"]["fields"]


async def test_patch_changes_only_the_given_fields(user: AsyncClient) -> None:
    created = await create(user, name="Before", description="Stays")
    changed = await user.patch(f"{PROJECTS}/{created['id']}", json={"name": "After"})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    body = changed.json()
    assert (body["name"], body["description"], body["version"]) == ("After", "Stays", 2)
    assert body["updated_at"] > created["updated_at"]


async def test_if_match_prevents_a_lost_update(user: AsyncClient) -> None:
    created = await create(user)
    address = f"{PROJECTS}/{created['id']}"
    assert (await user.patch(address, json={"name": "A"}, headers={"If-Match": '"1"'})).status_code == 200
    assert_error(await user.patch(address, json={"name": "B"}, headers={"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")
    assert (await user.patch(address, json={"name": "C"}, headers={"If-Match": '"7", "2"'})).status_code == 200
    assert (await user.patch(address, json={"name": "D"}, headers={"If-Match": "*"})).status_code == 200
    assert_error(await user.delete(address, headers={"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")


async def test_cached_project_returns_304_until_it_changes(user: AsyncClient) -> None:
    address = f"{PROJECTS}/{(await create(user))['id']}"
    for method in ("GET", "HEAD"):
        for tag in ('"1"', 'W/"1"'):
            unchanged = await user.request(method, address, headers={"If-None-Match": tag})
            assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"1"')
    await user.patch(address, json={"name": "A"})
    changed = await user.get(address, headers={"If-None-Match": 'W/"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["name"]) == (200, '"2"', "A")


async def test_if_match_accepts_a_tag_weakened_by_a_proxy(user: AsyncClient) -> None:
    address = f"{PROJECTS}/{(await create(user))['id']}"
    assert (await user.patch(address, json={"name": "A"}, headers={"If-Match": 'W/"1"'})).status_code == 200
    stale = await user.patch(address, json={"name": "B"}, headers={"If-Match": 'W/"1"'})
    assert_error(stale, 412, "PRECONDITION_FAILED")
    assert (await user.delete(address, headers={"If-Match": '"1", W/"2"'})).status_code == 204


async def test_concurrent_changes_are_applied_or_refused(user: AsyncClient) -> None:
    created = await create(user)
    address = f"{PROJECTS}/{created['id']}"
    responses = await asyncio.gather(*(user.patch(address, json={"description": str(n)}) for n in range(20)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) <= {200, 409}
    assert (await user.get(address)).json()["version"] == 1 + statuses.count(200)


async def test_deleted_project_is_not_found_until_restored(user: AsyncClient) -> None:
    created = await create(user)
    address = f"{PROJECTS}/{created['id']}"
    assert (await user.delete(address)).status_code == 204
    for response in (await user.get(address), await user.delete(address), await user.patch(address, json={})):
        assert_error(response, 404, "PROJECT_NOT_FOUND")
    assert (await user.get(PROJECTS)).json()["total"] == 0
    restored = await user.post(f"{address}/restore")
    assert restored.status_code == 200
    assert restored.json()["id"] == created["id"]
    assert_error(await user.post(f"{address}/restore"), 404, "PROJECT_NOT_FOUND")


async def test_one_of_concurrent_deletions_succeeds(user: AsyncClient) -> None:
    created = await create(user)
    responses = await asyncio.gather(*(user.delete(f"{PROJECTS}/{created['id']}") for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [204, *[404] * 9]


async def test_project_of_another_team_is_not_found_for_any_method(user: AsyncClient, stranger: AsyncClient) -> None:
    created = await create(user)
    address = f"{PROJECTS}/{created['id']}"
    for response in (
        await stranger.get(address),
        await stranger.patch(address, json={"name": "Stolen"}),
        await stranger.delete(address),
        await stranger.post(f"{address}/restore"),
    ):
        assert_error(response, 404, "PROJECT_NOT_FOUND")
    assert (await stranger.get(PROJECTS)).json()["total"] == 0
    assert (await user.get(address)).json() == created


async def test_request_for_another_team_is_not_found(user: AsyncClient, stranger: AsyncClient) -> None:
    created = await create(user)
    team_header = {"X-Team-ID": created["team_id"]}
    address = f"{PROJECTS}/{created['id']}"
    for response in (
        await stranger.get(PROJECTS, headers=team_header),
        await stranger.post(PROJECTS, json={"name": "Planted"}, headers=team_header),
        await stranger.get(address, headers=team_header),
        await stranger.patch(address, json={"name": "Stolen"}, headers=team_header),
        await stranger.delete(address, headers=team_header),
        await stranger.post(f"{address}/restore", headers=team_header),
    ):
        assert_error(response, 404, "TEAM_NOT_FOUND")


@pytest.mark.parametrize("verb", ["get", "post"])
async def test_projects_require_authentication(client: AsyncClient, verb: str) -> None:
    assert_error(await getattr(client, verb)(PROJECTS), 401, "UNAUTHORIZED")


async def test_statement_counts(user: AsyncClient, statements, rls_enabled: bool) -> None:
    """With TENANT_RLS=on, BEGIN (with the tenant) and COMMIT are added."""
    created = await create(user)
    for call, most in (
        (lambda: user.get(f"{PROJECTS}/{created['id']}"), 2),
        (lambda: user.get(PROJECTS), 2),
        (lambda: user.get(PROJECTS, params={"q": "web", "sort": "name"}), 2),
        (lambda: user.get(PROJECTS, params={"limit": 5}), 2),
        (lambda: user.post(PROJECTS, json={"name": "x"}), 2),
    ):
        await statements.clear()
        await call()
        await statements.get_all()
        assert statements.count <= most, str(statements)
        assert len(statements.all) <= most + 2 * rls_enabled, str(statements)
