"""Every route that may change something declares what it leaves in the audit log."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from tests import trail
from tests.audited import LEAVES, leaves, nothing
from tests.trail import Seen, _fault
from undercroft.core.http.application import Api

HOW = """
These routes are not declared in tests/audited.py. Add a line for each:

    "METHOD /path": leaves("noun.verbed"),       when its service records that entry, once per change
    "METHOD /path": nothing("why none is left"),
"""


def test_every_route_that_may_change_something_is_declared(app: Api) -> None:
    missing = trail.undeclared(app)
    assert not missing, HOW + "\n".join(missing)


def test_nothing_is_declared_of_routes_that_are_gone(app: Api) -> None:
    assert trail.stale(app) == []


def test_a_planted_route_is_noticed() -> None:
    app = FastAPI()
    app.add_api_route("/planted/{thing}", lambda: None, methods=["GET", "PUT"])
    app.mount("/mounted", FastAPI())
    assert trail.undeclared(app) == ["POST /mounted/{path}", "PUT /planted/{thing}"]


@pytest.mark.parametrize(
    ("declared", "status", "actions", "is_fault"),
    [
        (leaves("a.b"), 200, ["a.b"], False),
        (leaves("a.b"), 200, [], True),
        (leaves("a.b"), 200, ["a.b", "a.b"], True),
        (leaves("a.b"), 200, ["c.d"], True),
        (leaves("a.b"), 200, ["a.b", "c.d"], True),
        (leaves("a.b", "c.d"), 200, ["a.b", "c.d"], True),
        (leaves("a.b", also=("c.d",)), 200, ["a.b", "c.d"], False),
        (leaves("a.b", also=("c.d",)), 200, ["a.b", "c.d", "c.d"], True),
        (leaves("a.b", many=("c.d",)), 200, ["a.b", "c.d", "c.d"], False),
        (leaves("a.b", unless="it was so before"), 200, [], False),
        (leaves("a.b"), 409, [], False),
        (leaves("a.b"), 409, ["a.b"], True),
        (leaves("a.b", refused=("c.d",)), 401, ["c.d"], False),
        (nothing("it changes nothing"), 200, [], False),
        (nothing("it changes nothing"), 200, ["a.b"], True),
        (nothing("it changes nothing"), 404, ["a.b"], True),
    ],
)
def test_what_differs_from_its_declaration_is_noticed(
    declared: object, status: int, actions: list[str], is_fault: bool
) -> None:
    found = _fault(Seen("r", "POST /x", status, may_be_replay=False), declared, actions)  # type: ignore[arg-type]
    assert (found is not None) == is_fault, found


def test_an_answer_given_again_leaves_nothing() -> None:
    assert _fault(Seen("r", "POST /x", 201, may_be_replay=True), leaves("a.b"), []) is None


def test_a_route_that_no_test_drives_is_named(tmp_path: Path) -> None:
    assert "POST /api/v1/app/projects" in trail.undriven(tmp_path)
    trail._note(tmp_path, "POST /api/v1/app/projects")
    assert "POST /api/v1/app/projects" not in trail.undriven(tmp_path)


def test_reasons_are_given() -> None:
    for key, declared in LEAVES.items():
        assert declared.actions or len(declared.none) > 10, key
