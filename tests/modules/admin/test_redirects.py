"""The redirect after sign-in at `/admin` opens the requested page and no other site."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx2 import AsyncClient

from tests.modules.admin.conftest import BROWSER_HEADERS, PASSWORD, enable_totp, set_password
from tests.modules.forms import hidden_fields
from tests.modules.mfa.conftest import Clock
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.same_site import MAX_PATH_LENGTH
from undercroft.modules.admin.service import HOME, safe_admin_path

PATHS = [
    "/admin/user/list",
    "/admin/user/list?search=ada%40example.com&page=1",
    "/admin/user/list?search=%2F%2Fevil.example",
    "/admin/auth-session/create",
    "/admin/user/details/01a1ff16-1a88-7739-8783-dcf9d59e5b46",
    "/admin/audit-entry/edit/2026-01-01T00:00:00.1%2B00:00;01a1ff16",
]
UNSAFE_PATHS = [
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
    "/admin/user/list?" + "x" * MAX_PATH_LENGTH,
]


async def submit_form(client: AsyncClient, page: Any, **typed: str) -> Any:
    """Submit a page's first form with its hidden fields."""
    action = page.text.partition('action="')[2].partition('"')[0]
    return await client.post(action, data={**hidden_fields(page), **typed}, headers=BROWSER_HEADERS)


@pytest.fixture
async def admin(create_user: Any, database: Database) -> Any:
    person = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, person)
    return person


@pytest.mark.parametrize("target", PATHS)
async def test_requested_page_is_opened_after_sign_in(client: AsyncClient, admin: Any, target: str) -> None:
    redirected = await client.get(target, headers=BROWSER_HEADERS)
    assert redirected.status_code == 303
    assert urlsplit(redirected.headers["location"]).path == "/admin/login"
    form = await client.get(redirected.headers["location"], headers=BROWSER_HEADERS)
    refused = await submit_form(client, form, email=admin.email, password="not my password")
    entered = await submit_form(client, refused, email=admin.email, password=PASSWORD)
    assert entered.status_code == 303
    assert _same(entered.headers["location"], target)
    assert (await client.get(entered.headers["location"])).status_code in (200, 403, 404)


async def test_requested_page_is_opened_after_the_second_factor(client: AsyncClient, admin: Any, clock: Clock) -> None:
    app = await enable_totp(admin, clock)
    form = await client.get("/admin/login", params={"next": PATHS[1]}, headers=BROWSER_HEADERS)
    step = await submit_form(client, form, email=admin.email, password=PASSWORD)
    wrong = await submit_form(client, step, code=app.wrong())
    assert (await submit_form(client, wrong, code=app.code())).headers["location"] == PATHS[1]


@pytest.mark.parametrize("target", UNSAFE_PATHS)
async def test_any_other_target_redirects_to_the_dashboard(client: AsyncClient, admin: Any, target: str) -> None:
    assert safe_admin_path(target) == HOME
    form = await client.get("/admin/login", params={"next": target}, headers=BROWSER_HEADERS)
    assert hidden_fields(form)["next"] == HOME
    data = {"email": admin.email, "password": PASSWORD, "next": target}
    entered = await client.post("/admin/login", data=data, headers=BROWSER_HEADERS)
    assert (entered.status_code, entered.headers["location"]) == (303, HOME)


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/nothing", "/admin/user/export/csv", f"/admin/user/list?search={'x' * MAX_PATH_LENGTH}"]
)
async def test_sign_in_url_omits_targets_that_are_not_allowed(client: AsyncClient, path: str) -> None:
    assert (await client.get(path, headers=BROWSER_HEADERS)).headers["location"] == "/admin/login"
    assert (await client.head("/admin/user/list", headers=BROWSER_HEADERS)).headers["location"] == "/admin/login"
    assert (await client.post("/admin/user/create", headers=BROWSER_HEADERS)).headers["location"] == "/admin/login"


def _same(location: str, target: str) -> bool:
    """Return whether both URLs are equal; a colon may be percent-encoded."""
    left, right = urlsplit(location), urlsplit(target)
    return parse_qs(left.query) == parse_qs(right.query) and left.path.replace("%3A", ":") == right.path
