"""A link into `/admin` is followed after signing in, and nobody is sent anywhere else."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient

from tests.modules.admin_ui.conftest import HERE, PASSWORD, set_password, two_steps
from tests.modules.forms import hidden
from tests.modules.mfa.conftest import Clock
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.local_paths import LONGEST_PATH
from undercroft.modules.admin_ui.targets import FRONT, place

PLACES = [
    "/admin/user/list",
    "/admin/user/list?search=ada%40example.com&page=1",
    "/admin/user/list?search=%2F%2Fevil.example",
    "/admin/auth-session/create",
    "/admin/user/details/01a1ff16-1a88-7739-8783-dcf9d59e5b46",
    "/admin/audit-entry/edit/2026-01-01T00:00:00.1%2B00:00;01a1ff16",
]
ELSEWHERE = [
    "",
    "/admin",
    "/admin/",
    "/",
    "/sign-out",
    "admin/user/list",
    "https://evil.example/admin/user/list",
    "//evil.example/admin/user/list",
    "///admin/user/list",
    "/\\evil.example/admin/user/list",
    "\\\\evil.example",
    "/admin\\..\\..",
    "/%2Fevil.example",
    "/admin//evil.example/list",
    "/admin/../../evil",
    "/admin/../user/list",
    "/admin/user/../../../sign-out",
    "/admin/user/details/..",
    "/admin/user/details/../../logout",
    "/admin/user/details/%2e%2e",
    "/admin/user/details/%2E%2E%2Flogout",
    "/admin/user/details/%252e%252e",
    "/admin/user/details/%5c..",
    "/admin/user/details/",
    "/admin/user/list/",
    "/admin/user/list#x",
    "/admin/user/list\r\nSet-Cookie: a=b",
    "/admin/user/list%0d%0aSet-Cookie:a=b/list",
    "/admin/user/list\t",
    "/admin/user/list?a b",
    "/admin/user/list\0",
    "/admin/üser/list",
    "/admin/login",
    "/admin/logout",
    "/admin/user/delete?pks=1",
    "/admin/user/export/csv",
    "/admin/statics/css/main.css",
    "javascript:alert(1)",
    "/admin/user/list?" + "x" * LONGEST_PATH,
]


async def sent_on(client: AsyncClient, page: Any, **typed: str) -> Any:
    """The answer to a page's first form, with its hidden fields."""
    action = page.text.partition('action="')[2].partition('"')[0]
    return await client.post(action, data={**hidden(page), **typed}, headers=HERE)


@pytest.fixture
async def admin(somebody: Any, database: Database) -> Any:
    person = await somebody(role=PlatformRole.ADMIN)
    await set_password(database, person)
    return person


@pytest.mark.parametrize("wanted", PLACES)
async def test_a_page_that_was_asked_for_is_arrived_at(client: AsyncClient, admin: Any, wanted: str) -> None:
    asked = await client.get(wanted, headers=HERE)
    assert asked.status_code == 303
    assert urlsplit(asked.headers["location"]).path == "/admin/login"
    form = await client.get(asked.headers["location"], headers=HERE)
    refused = await sent_on(client, form, email=admin.email, password="not my password")
    entered = await sent_on(client, refused, email=admin.email, password=PASSWORD)
    assert entered.status_code == 303
    assert _same(entered.headers["location"], wanted)
    assert (await client.get(entered.headers["location"])).status_code in (200, 403, 404)


async def test_the_second_step_leads_there_too(client: AsyncClient, admin: Any, clock: Clock) -> None:
    app = await two_steps(admin, clock)
    form = await client.get("/admin/login", params={"next": PLACES[1]}, headers=HERE)
    step = await sent_on(client, form, email=admin.email, password=PASSWORD)
    wrong = await sent_on(client, step, code=app.wrong())
    assert (await sent_on(client, wrong, code=app.code())).headers["location"] == PLACES[1]


@pytest.mark.parametrize("wanted", ELSEWHERE)
async def test_anything_else_leads_to_the_dashboard(client: AsyncClient, admin: Any, wanted: str) -> None:
    assert place(wanted) == FRONT
    form = await client.get("/admin/login", params={"next": wanted}, headers=HERE)
    assert hidden(form)["next"] == FRONT
    data = {"email": admin.email, "password": PASSWORD, "next": wanted}
    entered = await client.post("/admin/login", data=data, headers=HERE)
    assert (entered.status_code, entered.headers["location"]) == (303, FRONT)


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/nothing", "/admin/user/export/csv", f"/admin/user/list?search={'x' * LONGEST_PATH}"]
)
async def test_what_is_no_page_to_come_back_to_is_not_remembered(client: AsyncClient, path: str) -> None:
    assert (await client.get(path, headers=HERE)).headers["location"] == "/admin/login"
    assert (await client.head("/admin/user/list", headers=HERE)).headers["location"] == "/admin/login"
    assert (await client.post("/admin/user/create", headers=HERE)).headers["location"] == "/admin/login"


def _same(location: str, wanted: str) -> bool:
    """Whether both name one place; a colon may be written in two ways."""
    left, right = urlsplit(location), urlsplit(wanted)
    return parse_qs(left.query) == parse_qs(right.query) and left.path.replace("%3A", ":") == right.path
