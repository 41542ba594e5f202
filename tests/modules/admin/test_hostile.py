"""Hostile requests to `/admin` cause no server errors."""

import pytest

from tests.modules.admin.conftest import Browser
from undercroft.core.ids import new_id

VIEWS = ["user", "team", "membership", "project", "auth-session", "api-key", "job", "schedule", "audit-entry"]
QUERIES = [
    "sort=x",
    "sortBy=email&sort=%00",
    "sortBy=password_hash",
    "page=-1",
    "page=0",
    "page=99999999999999999999999999",
    f"page={'9' * 5000}",
    "page=abc",
    "pageSize=-5",
    "pageSize=0",
    "pageSize=1000000",
    "search=%00",
    "search=%25%5C%27%22%3B--",
    f"search={'a' * 5000}",
    "search=%ED%A0%80",
    "role=%00",
    "is_active=maybe",
    "status=nonsense",
    "task=%FF",
    "error=Call+555",
    "a=1&a=2",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_hostile_query_causes_no_server_error(browser: Browser, query: str) -> None:
    admin = await browser()
    for view in VIEWS:
        for path in ("list", "export/csv"):
            response = await admin.get(f"/admin/{view}/{path}?{query}")
            assert response.status_code < 500, (view, path, response.status_code)
            assert "Call 555" not in response.text


@pytest.mark.parametrize(
    "key",
    [
        "1",
        "x" * 3000,
        "%00",
        "..%2F..",
        "a;b",
        ";;;",
        "01a1ff16-1a88-7739-8783-dcf9d59e5b46",
        "2026-01-01;1",
        "%ED%A0%80",
    ],
)
async def test_unknown_row_is_not_found(browser: Browser, key: str) -> None:
    admin = await browser()
    for view in VIEWS:
        for method, path in (
            ("GET", f"details/{key}"),
            ("GET", f"edit/{key}"),
            ("POST", f"edit/{key}"),
            ("DELETE", f"delete?pks={key}"),
        ):
            response = await admin.request(method, f"/admin/{view}/{path}")
            assert response.status_code in (400, 403, 404, 422), (view, path, response.status_code)


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_no_http_method_causes_a_server_error(browser: Browser, method: str) -> None:
    admin = await browser()
    for path in (
        "",
        "user/list",
        "user/delete",
        "user/create",
        "user/import",
        "user/ajax/lookup",
        "nothing/list",
        "login",
        "logout",
        "x/y/z",
        "statics/x",
    ):
        response = await admin.request(method, f"/admin/{path}")
        assert response.status_code < 500, (method, path, response.status_code)


async def test_invalid_number_of_rows_to_delete_returns_a_message(browser: Browser) -> None:
    admin = await browser()
    for pks in ("", ",,", ",".join(["x"] * 101)):
        response = await admin.delete(f"/admin/project/delete?pks={pks}")
        assert (response.status_code, response.text) == (400, "Choose between 1 and 100 rows.")


@pytest.mark.requires_module("projects")
async def test_file_in_a_text_field_is_refused(browser: Browser) -> None:
    admin = await browser()
    key = (await admin.person.client.post("/api/v1/app/projects", json={"name": "Website"})).json()["id"]  # type: ignore[attr-defined]
    for path in (f"project/edit/{key}", "project/create"):
        response = await admin.post(f"/admin/{path}", files={"name": ("name.txt", b"Evil")})
        assert response.status_code in (400, 403), (path, response.status_code)


async def test_read_only_views_refuse_changes(browser: Browser) -> None:
    admin = await browser()
    for view in ("audit-entry", "team", "membership", "job", "schedule"):
        for method, path in (
            ("POST", "create"),
            ("GET", "create"),
            ("POST", f"edit/{new_id()}"),
            ("DELETE", f"delete?pks={new_id()}"),
        ):
            response = await admin.request(method, f"/admin/{view}/{path}")
            assert response.status_code in (403, 404), (view, path, response.status_code)


async def test_security_headers_are_strict(browser: Browser) -> None:
    admin = await browser()
    response = await admin.get("/admin/user/list")
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert response.headers["cache-control"] == "no-store"
    assert "<script>" not in response.text
    assert " style=" not in response.text
