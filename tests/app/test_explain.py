"""`undercroft explain` and `undercroft map`: what the application is made of, as its code declares it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from tests.cli.command_runner import run_command, run_on_terminal
from undercroft.app.api import offline_app
from undercroft.app.explain import Description, StackVariables, build_map, describe_all, explain, find_similar
from undercroft.app.explain.configuration import describe_settings
from undercroft.app.explain.description import Facts
from undercroft.app.explain.templates import describe_templates
from undercroft.app.overrides import eject, find_templates
from undercroft.app.registry import Registry, get_registry
from undercroft.core import settings
from undercroft.core.context import AppContext, current_context, use_context
from undercroft.core.http import get_info
from undercroft.core.http.application import Api
from undercroft.core.settings import env_name

ROOT = Path(__file__).parents[2]
LOCATION = re.compile(r"\S+\.(?:py|html|txt):\d+")


@pytest.fixture(scope="module")
def app() -> Api:
    return offline_app()


@pytest.fixture(scope="module")
def described(app: Api) -> list[Description]:
    with use_context(app.context):
        return list(describe_all(app))


def only(app: Api, text: str) -> Description:
    (found,) = explain(app, text)
    return found


def test_everything_has_the_location_of_an_existing_line(described: list[Description]) -> None:
    for each in described:
        file, _, line = each.location.rpartition(":")
        assert 1 <= int(line) <= len(Path(file).read_text().splitlines()), each


def test_every_route_is_described_as_it_is_declared(app: Api, described: list[Description]) -> None:
    facts = {each.name: each.facts for each in described if each.kind == "route"}
    routes = [route for route in app.router.routes if isinstance(route, APIRoute)]
    for route in routes:
        info = get_info(route)
        found = facts[f"{'/'.join(sorted(route.methods))} {route.path_format}"]
        assert found["surface"] == info.surface
        assert found.get("permission") == info.permission
        assert found.get("errors", []) == [f"{error.code} ({error.status})" for error in info.errors]
        if info.surface in ("app", "admin", "auth"):
            assert (found["api_keys"], found["impersonation"]) == (info.api_keys, info.impersonation)


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/app/projects/{project_id}",
        "get /api/v1/app/projects/01980000-0000-7000-8000-000000000000",
        "GET https://app.example.com/api/v1/app/projects/0198?expand=all",
        "read_project",
    ],
)
def test_route_is_found_as_declared_as_sent_and_by_name(app: Api, text: str) -> None:
    found = only(app, text)
    assert found.name == "GET /api/v1/app/projects/{project_id}"
    assert found.facts["permission"] == "projects:read"
    assert [each.name for each in found.facts["calls"]] == ["Resource.read"]  # type: ignore[union-attr]


def test_path_without_method_shows_every_method(app: Api) -> None:
    names = [each.name for each in explain(app, "/api/v1/app/teams")]
    assert names == ["GET /api/v1/app/teams", "POST /api/v1/app/teams"]


def test_literal_path_wins_over_a_parameter_as_in_the_application(app: Api) -> None:
    assert [each.name for each in explain(app, "GET /api/v1/app/users/me")] == ["GET /api/v1/app/users/me"]


def test_route_names_the_service_that_it_calls(app: Api) -> None:
    calls = only(app, "POST /api/v1/auth/login").facts["calls"]
    assert "SignInService.sign_in" in [each.name for each in calls]  # type: ignore[union-attr]


@pytest.mark.requires_module("api_keys", "idempotency")
def test_route_shows_step_up_idempotency_and_audit(app: Api) -> None:
    facts = only(app, "POST /api/v1/app/api-keys").facts
    assert facts["step_up"] == "required"
    assert facts["idempotency"] == "exactly once; the response is never stored"
    assert facts["audit"] == ["api_key.created"]


def test_every_named_rate_limit_names_the_setting_that_changes_it(described: list[Description]) -> None:
    limits = [each for each in described if each.kind == "rate limit"]
    assert len(limits) > 5
    assert [each.name for each in limits if not each.facts.get("settings")] == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project in which the test runs, without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "overrides", {})
    for name in (
        "SMTP_HOST",
        "SMTP_PORT",
        "WEB_CONCURRENCY",
        "SECRET_KEY",
        "SECRET_KEYS",
        "DATABASE_URL",
        "PUBLIC_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    with use_context(AppContext()):
        get_registry()
        yield tmp_path


def explain_setting(name: str) -> Facts:
    current_context().settings.clear()
    (found,) = [each for each in describe_settings() if each.name == name]
    return found.complete().facts


def test_settings_show_where_their_value_comes_from(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("# mail\nSMTP_HOST=mail.example.com\nSMTP_PORT=26\nWEB_CONCURRENCY=\n")
    (project / "pyproject.toml").write_text("[tool.undercroft]\nSMTP_HOST = 'unused'\nAPP_NAME = 'Shop'\n")
    monkeypatch.setenv("smtp_port", "27")
    current_context().add(StackVariables, StackVariables({"PORT"}))
    for name, value, source in (
        ("SMTP_HOST", "mail.example.com", ".env:2"),
        ("SMTP_PORT", "27", "environment"),
        ("WEB_CONCURRENCY", "1", "default"),
        ("SMTP_CA_FILE", "not set", "default"),
        ("APP_NAME", "Shop", "pyproject.toml:3"),
        ("PORT", "8000", "the running `undercroft dev`"),
    ):
        facts = explain_setting(name)
        assert (facts["value"], facts["source"]) == (value, source)


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEYS", "DATABASE_URL", "PUBLIC_URL"])
def test_secrets_are_never_shown(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text('SECRET_KEYS=["hunter2-old"]\nPUBLIC_URL=https://user:hunter2@example.com\n')
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@localhost/app")
    facts = explain_setting(name)
    assert "[redacted]" in str(facts["value"])
    assert "hunter2" not in str(facts)


def test_invalid_setting_is_explained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PORT", "many")
    facts = explain_setting("SMTP_PORT")
    assert (facts["value"], facts["source"]) == ("invalid", "environment")
    assert "SMTP_PORT must be a whole number" in str(facts["error"])


def test_task_and_schedule_are_explained(app: Api) -> None:
    task = only(app, "teams.send_invitation")
    assert (task.kind, task.facts["arguments"]) == ("task", ["invitation_id: UUID"])
    assert all("service/invitations.py" in each for each in task.facts["enqueued_in"])  # type: ignore[union-attr]
    schedule = only(app, "auth.clean_up")
    assert schedule.kind == "schedule"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", str(schedule.facts["next_run"]))


@pytest.mark.requires_module("waitlist")
def test_task_lists_no_calls_of_another_task_with_the_same_function_name(app: Api) -> None:
    calls = only(app, "waitlist.send_invitation").facts["enqueued_in"]
    assert all("waitlist/service.py" in each for each in calls)  # type: ignore[union-attr]


def test_event_lists_its_subscribers_in_the_order_in_which_they_are_called(app: Api) -> None:
    event = only(app, "UserDeleted")
    registry = app.context.get(Registry)
    called = [each.function.__name__ for each in registry.subscribers.all if each.event.__name__ == "UserDeleted"]
    assert [each.name.rpartition(".")[2] for each in event.facts["subscribers"]] == called  # type: ignore[union-attr]
    assert len(called) > 1
    assert any("users/service.py" in each for each in event.facts["published_in"])  # type: ignore[union-attr]


def test_hook_point_shows_what_hooks_may_amend_and_where_they_decide(app: Api) -> None:
    found = only(app, "SignUp")
    assert found.kind == "hook point"
    assert found.facts["amendable"]
    assert found.facts["decided_in"]


def test_permission_lists_the_roles_and_routes_that_have_it(app: Api) -> None:
    facts = only(app, "audit:read").facts
    assert facts["team_roles"] == ["admin", "owner"]
    path = "/api/v1/app/teams/{team_id}/audit-logs"
    assert facts["routes"] == [f"GET {path}", f"GET {path}/export"]


def test_error_lists_its_status_and_routes(app: Api) -> None:
    facts = only(app, "team_not_found").facts
    assert facts["status"] == 404
    assert "GET /api/v1/app/teams/{team_id}" in facts["routes"]  # type: ignore[operator]


def test_audit_action_lists_the_routes_that_record_it_and_its_handlers(app: Api) -> None:
    facts = only(app, "user.role_changed").facts
    assert facts["routes"] == ["PATCH /api/v1/admin/users/{user_id}"]
    assert facts["handlers"]


def explain_template(name: str) -> Description:
    (found,) = [each for each in describe_templates() if each.name == name]
    return found.complete()


def test_template_shows_its_variables_and_the_override_of_the_project(project: Path) -> None:
    before = explain_template("auth/verify.txt")
    assert before.location.endswith("modules/auth/templates/emails/auth/verify.txt:1")
    assert before.facts["variables"] == ["app_name", "expires_in", "link", "requested"]
    assert before.facts["copy_with"] == "undercroft eject emails/auth/verify.txt"
    eject(find_templates("auth/verify.txt"))
    after = explain_template("auth/verify.txt")
    assert after.location == "templates/emails/auth/verify.txt:1"
    assert after.facts["overridden_by"] == "templates/emails/auth/verify.txt:1 (current)"
    assert after.facts["original"] == before.location


def test_what_an_extension_adds_names_the_extension() -> None:
    environment = {"ENVIRONMENT": "development", "ENABLED_EXTENSIONS": "example"}
    document = json.loads(run_command("map", folder=ROOT, **environment).out)
    for kind, name in (
        ("routes", "POST /api/v1/app/ext/example/bookings"),
        ("settings", "EXAMPLE_KEEP_DAYS"),
        ("schedules", "example.check_all_devices"),
        ("events", "RoomBooked"),
        ("events", "RoomResource.Created"),
        ("permissions", "bookings:write"),
        ("errors", "ROOM_TAKEN"),
        ("emails", "example/booking_confirmed.txt"),
        ("pages", "example/opening_hours.html"),
        ("rate_limits", "bookings"),
        ("tables", "example_rooms"),
    ):
        (found,) = [each for each in document[kind] if each["name"] == name]
        assert found["module"] in ("extension example", "example")
        assert found["location"].startswith("extensions/example/")
    assert document["extensions"][0]["name"] == "example"


def test_overridden_steps_of_a_resource_are_listed() -> None:
    environment = {"ENVIRONMENT": "development", "ENABLED_EXTENSIONS": "example"}
    seen = run_command("explain", "POST", "/api/v1/app/ext/example/devices", "--json", folder=ROOT, **environment)
    (found,) = json.loads(seen.out)
    steps = {each["name"] for each in found["overridden_steps"]}
    assert steps == {"DeviceResource.before_update", "DeviceResource.after_create"}
    assert found["resource"][0]["location"].startswith("extensions/example/resources.py:")


def test_unknown_name_shows_similar_ones_and_fails(tmp_path: Path) -> None:
    seen = run_command("explain", "SMTP_HOTS", folder=tmp_path)
    assert (seen.code, seen.out) == (1, "")
    assert "Similar: SMTP_HOST" in seen.err


def test_unknown_method_of_a_known_path_shows_the_known_ones(app: Api) -> None:
    assert explain(app, "DELETE /api/v1/app/teams") == []
    assert "GET /api/v1/app/teams" in find_similar(app, "DELETE /api/v1/app/teams")


def test_output_fits_80_columns_without_breaking_locations(tmp_path: Path) -> None:
    wide, narrow = (
        run_on_terminal("explain", "GET", "/api/v1/app/projects", folder=tmp_path, columns=columns)
        for columns in (400, 80)
    )
    assert LOCATION.findall(narrow) == LOCATION.findall(wide)
    assert [line for line in narrow.splitlines() if len(line) > 80 and not LOCATION.search(line)] == []


def collect_names(document: dict[str, Any], *kinds: str) -> set[str]:
    return {each["name"] for kind in kinds for each in document[kind]}


@pytest.fixture(scope="module")
def document(app: Api) -> Iterator[dict[str, Any]]:
    return build_map(app)


def test_map_contains_everything_that_the_registry_has(app: Api, document: dict[str, Any]) -> None:
    registry = app.context.get(Registry)
    names = {env_name(each, field) for each in registry.settings_classes for field in each.model_fields}
    assert collect_names(document, "settings") == names
    assert collect_names(document, "tasks", "schedules") == set(registry.tasks.by_name)
    assert collect_names(document, "permissions") == set(registry.permissions.by_name)
    assert collect_names(document, "modules") == {module.name for module in registry.modules}
    assert {"TEAM_NOT_FOUND", "INTERNAL_ERROR", "VALIDATION_ERROR"} <= collect_names(document, "errors")
    assert {"teams", "users", "jobs"} <= collect_names(document, "tables")


@pytest.mark.requires_module("projects", "admin")
def test_admin_views_show_their_table_and_who_may_use_them(app: Api, document: dict[str, Any]) -> None:
    registry = app.context.get(Registry)
    assert collect_names(document, "admin_views") == {f"/admin/{view.identity}" for view in registry.admin.views}
    mount, view = explain(app, "GET /admin/user/list?page=2")
    assert (mount.name, mount.facts["access"]) == ("MOUNT /admin/{path}", "administrators, in a browser")
    assert view.location.partition(":")[0].endswith("modules/users/admin.py")
    assert (view.facts["table"], view.facts["role"], view.facts["delete"]) == ("users", "admin", False)
    assert "role" in cast("list[str]", view.facts["editable_fields"])
    project = only(app, "ProjectView")
    assert project.location.partition(":")[0].endswith("modules/projects/resources.py")


@pytest.mark.requires_module("admin")
def test_sign_in_pages_of_admin_are_described(app: Api) -> None:
    assert "session.started" in cast("list[str]", only(app, "POST /admin/login").facts["audit"])


def test_map_is_stable_and_independent_of_values(project: Path) -> None:
    documents = []
    for values in ({}, {"SMTP_HOST": "mail.example.com", "SECRET_KEY": "hunter2", "PYTHONHASHSEED": "7"}):
        seen = run_command("map", "--out", "map.json", folder=project, **values)
        assert seen.code == 0, seen.output
        documents.append((project / "map.json").read_text())
    assert documents[0] == documents[1]
    assert "HEADERS_TIMED_OUT" in documents[0]
