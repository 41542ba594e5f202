"""The check that requests record the audit entries that their routes declare."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from msgspec import structs

from undercroft.app.api import create_app
from undercroft.core.http import Audit, Exempt, Router
from undercroft.core.http.application import Api
from undercroft.testing.audit import (
    RecordedRequest,
    check_requests,
    declared_audits,
    find_violations,
    save_audited_routes,
    uncovered_routes,
)
from undercroft.testing.users import make_client

PROJECTS = "POST /api/v1/app/projects"


def make_request(declared: Audit | Exempt | None, status: int, *, may_be_replay: bool = False) -> RecordedRequest:
    return RecordedRequest("r", "POST /x", status, may_be_replay, declared)


def test_declarations_are_found_by_method_and_path() -> None:
    router = Router(surface="root")
    router.add_api_route("/planted/{thing:int}", lambda: None, methods=["GET", "PUT"], audit="thing.changed")
    app = FastAPI()
    app.router.routes.extend(router.routes)
    app.mount("/mounted", FastAPI())
    found = declared_audits(app)
    assert set(found) == {"PUT /planted/{thing}", "POST /mounted/{path}"}
    assert found["POST /mounted/{path}"] is None


@pytest.mark.parametrize(
    ("declared", "status", "actions", "is_violation"),
    [
        (Audit("a.b"), 200, ["a.b"], False),
        (Audit("a.b"), 200, [], True),
        (Audit("a.b"), 200, ["a.b", "a.b"], True),
        (Audit("a.b"), 200, ["c.d"], True),
        (Audit("a.b"), 200, ["a.b", "c.d"], True),
        (Audit("a.b", "c.d"), 200, ["a.b", "c.d"], True),
        (Audit("a.b", optional=("c.d",)), 200, ["a.b", "c.d"], False),
        (Audit("a.b", optional=("c.d",)), 200, ["a.b", "c.d", "c.d"], True),
        (Audit("a.b", repeatable=("c.d",)), 200, ["a.b", "c.d", "c.d"], False),
        (Audit("a.b", none_when="nothing changed"), 200, [], False),
        (Audit("a.b"), 409, [], False),
        (Audit("a.b"), 409, ["a.b"], True),
        (Audit("a.b"), 503, ["a.b"], False),
        (Audit("a.b", on_failure=("c.d",)), 401, ["c.d"], False),
        (Audit(none_when="nothing changes", on_failure=("c.d",)), 200, ["a.b"], True),
        (Audit(none_when="nothing changes", on_failure=("c.d",)), 200, [], False),
        (Audit(none_when="nothing changes", on_failure=("c.d",)), 401, ["c.d"], False),
        (Audit("*", none_when="nothing changed"), 200, ["a.b", "c.d"], False),
        (Audit("*"), 200, [], True),
        (Audit("*"), 404, ["a.b"], False),
        (Exempt("It changes nothing."), 200, [], False),
        (Exempt("It changes nothing."), 200, ["a.b"], True),
        (Exempt("It changes nothing."), 404, ["a.b"], True),
        (Audit("a.b"), 200, ["a.b", "user.registered"], False),
        (None, 200, ["a.b"], False),
    ],
)
def test_deviation_from_the_declaration_is_detected(
    declared: Audit | Exempt | None, status: int, actions: list[str], is_violation: bool
) -> None:
    found = find_violations([make_request(declared, status)], {"r": actions})
    assert bool(found) == is_violation, found


def test_replayed_response_records_no_entry() -> None:
    assert find_violations([make_request(Audit("a.b"), 201, may_be_replay=True)], {"r": []}) == []


def test_request_whose_entries_are_unknown_is_not_checked() -> None:
    assert find_violations([make_request(Audit("a.b"), 201)], {}) == []


@pytest.mark.requires_module("projects", "admin")
async def test_route_without_a_test_is_reported(app: Api, user, recorded_requests, database, tmp_path: Path) -> None:
    save_audited_routes(app, tmp_path)
    assert PROJECTS in uncovered_routes(tmp_path)
    assert "POST /admin/login" in uncovered_routes(tmp_path)
    assert (await user.post("/api/v1/app/projects", json={"name": "Website"})).status_code == 201
    await check_requests(recorded_requests, database, tmp_path)
    assert PROJECTS not in uncovered_routes(tmp_path)


async def test_routes_of_any_application_are_checked(database, recorded_requests, tmp_path: Path) -> None:
    router = Router(surface="public", prefix="/rooms")

    @router.post("/bookings", audit="room.booked")
    async def book_room() -> None: ...

    application = create_app(database=database)
    application.add([router])
    async with make_client(application) as client:
        assert (await client.post("/api/v1/public/rooms/bookings")).status_code == 200
    with pytest.raises(pytest.fail.Exception, match=r"POST /api/v1/public/rooms/bookings \(200\) recorded no entry"):
        await check_requests(recorded_requests, database, tmp_path)
    recorded_requests.clear()


@pytest.mark.requires_module("projects")
async def test_undeclared_entry_fails_the_test(user, recorded_requests, database, tmp_path: Path) -> None:
    assert (await user.post("/api/v1/app/projects", json={"name": "Website"})).status_code == 201
    wrong = [structs.replace(each, declared=Audit("a.b")) for each in recorded_requests]
    with pytest.raises(pytest.fail.Exception, match=r"recorded \['project\.created'\]: .* exactly one of \['a\.b'\]"):
        await check_requests(wrong, database, tmp_path)


@pytest.mark.parametrize("make", [Audit, lambda: Exempt("")])
def test_declaration_without_an_action_or_a_reason_is_refused(make) -> None:
    with pytest.raises(ValueError, match=r"reason|state why"):
        make()
