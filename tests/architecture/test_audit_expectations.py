"""Every route that can change data declares its audit entries."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from tests import audit_recorder
from tests.audit_expectations import EXPECTED_ENTRIES, expect_entry, expect_no_entry
from tests.audit_recorder import RecordedRequest, _find_violation
from undercroft.core.http.application import Api

HOW = """
These routes are not declared in tests/audit_expectations.py. Add a line for each:

    "METHOD /path": expect_entry("noun.verbed"),          when its service records that entry, once per change
    "METHOD /path": expect_no_entry("why none is left"),
"""


def test_every_unsafe_route_is_declared(app: Api) -> None:
    missing = audit_recorder.undeclared_routes(app)
    assert not missing, HOW + "\n".join(missing)


def test_declarations_refer_only_to_existing_routes(app: Api) -> None:
    assert audit_recorder.stale_routes(app) == []


def test_undeclared_route_is_detected() -> None:
    app = FastAPI()
    app.add_api_route("/planted/{thing}", lambda: None, methods=["GET", "PUT"])
    app.mount("/mounted", FastAPI())
    assert audit_recorder.undeclared_routes(app) == ["POST /mounted/{path}", "PUT /planted/{thing}"]


@pytest.mark.parametrize(
    ("declared", "status", "actions", "is_violation"),
    [
        (expect_entry("a.b"), 200, ["a.b"], False),
        (expect_entry("a.b"), 200, [], True),
        (expect_entry("a.b"), 200, ["a.b", "a.b"], True),
        (expect_entry("a.b"), 200, ["c.d"], True),
        (expect_entry("a.b"), 200, ["a.b", "c.d"], True),
        (expect_entry("a.b", "c.d"), 200, ["a.b", "c.d"], True),
        (expect_entry("a.b", optional=("c.d",)), 200, ["a.b", "c.d"], False),
        (expect_entry("a.b", optional=("c.d",)), 200, ["a.b", "c.d", "c.d"], True),
        (expect_entry("a.b", repeatable=("c.d",)), 200, ["a.b", "c.d", "c.d"], False),
        (expect_entry("a.b", none_when="it was so before"), 200, [], False),
        (expect_entry("a.b"), 409, [], False),
        (expect_entry("a.b"), 409, ["a.b"], True),
        (expect_entry("a.b", on_failure=("c.d",)), 401, ["c.d"], False),
        (expect_no_entry("it changes nothing"), 200, [], False),
        (expect_no_entry("it changes nothing"), 200, ["a.b"], True),
        (expect_no_entry("it changes nothing"), 404, ["a.b"], True),
    ],
)
def test_deviation_from_the_declaration_is_detected(
    declared: object, status: int, actions: list[str], is_violation: bool
) -> None:
    found = _find_violation(RecordedRequest("r", "POST /x", status, may_be_replay=False), declared, actions)  # type: ignore[arg-type]
    assert (found is not None) == is_violation, found


def test_replayed_response_writes_no_entry() -> None:
    assert _find_violation(RecordedRequest("r", "POST /x", 201, may_be_replay=True), expect_entry("a.b"), []) is None


def test_route_without_a_test_is_reported(tmp_path: Path) -> None:
    assert "POST /api/v1/app/projects" in audit_recorder.uncovered_routes(tmp_path)
    audit_recorder._mark_covered(tmp_path, "POST /api/v1/app/projects")
    assert "POST /api/v1/app/projects" not in audit_recorder.uncovered_routes(tmp_path)


def test_reasons_are_given() -> None:
    for key, declared in EXPECTED_ENTRIES.items():
        assert declared.actions or len(declared.none_reason) > 10, key
