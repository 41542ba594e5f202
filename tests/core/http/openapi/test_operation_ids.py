import pytest

from tests.core.http.conftest import Build
from undercroft.core.errors import CodeError
from undercroft.core.http import Router
from undercroft.core.http.openapi.operation_ids import operation_id


async def endpoint() -> None: ...


@pytest.mark.parametrize(
    ("name", "tag", "expected"),
    [
        ("list_projects", "Projects", "projects.list"),
        ("create_project", "Projects", "projects.create"),
        ("unpack_box", "Boxes", "boxes.unpack"),
        ("export_entry", "Entries", "entries.export"),
        ("list_user_sessions", "Users", "users.list_sessions"),
        ("list_usernames", "Users", "users.list_usernames"),
        ("rotate_api_key", "API keys", "api_keys.rotate"),
        ("login", None, "login"),
    ],
)
def test_operation_id_is_the_tag_and_the_rest_of_the_name(name: str, tag: str | None, expected: str) -> None:
    router = Router(surface="public", tag=tag)
    router.get("/x", name=name)(endpoint)
    (route,) = router.routes
    assert operation_id(route) == expected  # type: ignore[arg-type]


def test_duplicate_operation_id_raises_an_error_that_names_both_routes(build: Build) -> None:
    first, second = (Router(surface="public", prefix=prefix, tag="Boxes") for prefix in ("/once", "/twice"))
    for router in (first, second):
        router.get("", name="list_boxes")(endpoint)

    with pytest.raises(CodeError, match=r"GET /api/v1/public/once and GET /api/v1/public/twice"):
        build(first, second).app.openapi()
