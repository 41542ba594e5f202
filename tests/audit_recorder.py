"""Watches every request of a test and compares what it left in the audit log with `tests/audit_expectations.py`."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.audit_expectations import ANY_ACTION, EXPECTED_ENTRIES, PROVISIONING_ACTIONS, ExpectedEntries
from tests.email_expectations import DIRECT_MAIL, EMAILED_ACTIONS
from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.http.middleware.access_log import AccessLog

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_ACTIONS_QUERY = Statement(
    text(
        "SELECT request_id, array_agg(action ORDER BY occurred_at, id) AS actions FROM audit_entries "
        "WHERE request_id = ANY(CAST(:ids AS text[])) AND actor_kind <> 'job' GROUP BY request_id"
    )
)

ERASED = "erased"
"""The unknown template of an email whose job was erased with its user."""

_EMAILS_QUERY = Statement(
    text(
        "SELECT e.request_id, e.action, array_agg(CASE WHEN j.args = '{}' THEN :erased "
        "ELSE coalesce(j.args ->> 'template', j.args ->> 'notice', j.task) END) "
        "AS templates FROM audit_entries AS e LEFT JOIN jobs AS j ON j.request_id = e.request_id "
        "AND (e.target_type <> 'user' OR j.task = :mail OR j.args ->> 'user_id' = e.target_id::text "
        "OR e.team_id IS NOT NULL OR j.args = '{}') "
        "WHERE e.request_id = ANY(CAST(:ids AS text[])) AND e.actor_kind <> 'job' "
        "AND e.action = ANY(CAST(:actions AS text[])) GROUP BY e.request_id, e.action"
    )
)


@dataclass(frozen=True)
class RecordedRequest:
    """One request with its response. With an Idempotency-Key, the response may have been replayed."""

    request_id: str
    key: str
    status: int
    may_be_replay: bool


@contextmanager
def record_requests() -> Iterator[list[RecordedRequest]]:
    """Every unsafe request that reaches a route while the block runs."""
    requests: list[RecordedRequest] = []
    log = AccessLog._log

    def note(self: AccessLog, scope: Any, seconds: float) -> None:
        state = scope["state"]
        if scope["method"] in UNSAFE and state["route_template"]:
            replay = b"idempotency-key" in state["request_headers"]
            key = f"{scope['method']} {state['route_template']}"
            requests.append(RecordedRequest(state["request_id"], key, state.get("status", 499), replay))
        log(self, scope, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccessLog, "_log", note)
        yield requests


async def check(requests: list[RecordedRequest], database: Database, covered: Path) -> None:
    """Fail with what was left and what was declared, when they differ; note which routes were driven."""
    left = await _load_actions(requests, database)
    if left is None:
        return
    violations = []
    for request in requests:
        declared = EXPECTED_ENTRIES.get(request.key)
        actions = _without_provisioning(left.get(request.request_id, []), declared)
        _dump(request, actions)
        if declared is None:
            continue
        if (violation := _find_violation(request, declared, actions)) is not None:
            violations.append(f"{request.key} ({request.status}) left {actions or 'no entry'}: {violation}")
        elif actions and request.status < 400:
            _mark_covered(covered, request.key)
    violations += await _find_missing_emails(requests, database)
    if violations:
        pytest.fail(
            "\n".join(
                [
                    *violations,
                    "Record the change once in its service, or correct `tests/{audit,email}_expectations.py`.",
                ]
            )
        )


def _find_violation(request: RecordedRequest, declared: ExpectedEntries, actions: list[str]) -> str | None:
    if request.status >= 400:
        # of a request whose outcome is unknown the change may have been made
        allowed = (*declared.on_failure, *(declared.actions if request.status == 503 else ()))
        beyond = [action for action in actions if action not in allowed and ANY_ACTION not in declared.actions]
        return f"a refused request may leave {list(declared.on_failure) or 'none'}" if beyond else None
    if not actions and (declared.none_reason or request.may_be_replay):
        return None
    if actions and ANY_ACTION in declared.actions:
        return None
    if declared.none_reason and not declared.actions:
        return f"declared to leave none, because {declared.none_reason}"
    if sum(action in declared.actions for action in actions) != 1:
        return f"exactly one of {list(declared.actions)} is declared"
    twice = [action for action, count in Counter(actions).items() if count > 1 and action not in declared.repeatable]
    beyond = [
        action for action in actions if action not in (*declared.actions, *declared.optional, *declared.repeatable)
    ]
    return f"{twice + beyond} not declared" if twice or beyond else None


async def _load_actions(requests: list[RecordedRequest], database: Database) -> dict[str, list[str]] | None:
    """What each request left; requests that share an id are left out. None when the database is away."""
    counted = Counter(request.request_id for request in requests)
    requests[:] = [request for request in requests if counted[request.request_id] == 1]
    if not requests:
        return {}
    try:
        rows = await database.read.fetch(_ACTIONS_QUERY, ids=[request.request_id for request in requests])
    except (DatabaseUnavailable, OSError):
        return None
    return {row["request_id"]: row["actions"] for row in rows}


async def _find_missing_emails(requests: list[RecordedRequest], database: Database) -> list[str]:
    """The requests that left an action of which the owner gets an email, and sent that owner none of its templates."""
    keys = {request.request_id: request.key for request in requests}
    if not keys:
        return []
    rows = await database.read.fetch(
        _EMAILS_QUERY, ids=list(keys), actions=list(EMAILED_ACTIONS), mail=DIRECT_MAIL, erased=ERASED
    )
    return [
        f"{keys[row['request_id']]} left {row['action']} without an email to its owner ({row['templates']})"
        for row in rows
        if not {*EMAILED_ACTIONS[row["action"]], ERASED}.intersection(row["templates"])
    ]


def _without_provisioning(actions: list[str], declared: ExpectedEntries | None) -> list[str]:
    named = (*declared.actions, *declared.optional) if declared is not None else ()
    return [action for action in actions if action not in PROVISIONING_ACTIONS or action in named]


def _mark_covered(covered: Path, key: str) -> None:
    covered.mkdir(parents=True, exist_ok=True)
    (covered / key.replace("/", "|")).touch()


def uncovered_routes(folder: Path) -> list[str]:
    """The routes that leave something, but did not in any test of this run."""
    covered = {path.name.replace("|", "/") for path in folder.iterdir()} if folder.is_dir() else set[str]()
    return sorted({key for key, declared in EXPECTED_ENTRIES.items() if declared.actions} - covered)


def undeclared_routes(app: FastAPI) -> list[str]:
    """The unsafe routes of an application that `EXPECTED_ENTRIES` says nothing about."""
    return sorted(_unsafe_routes(app) - set(EXPECTED_ENTRIES))


def stale_routes(app: FastAPI) -> list[str]:
    """What `EXPECTED_ENTRIES` declares of routes that do not exist."""
    return sorted(set(EXPECTED_ENTRIES) - _unsafe_routes(app))


def _unsafe_routes(app: FastAPI) -> set[str]:
    """Methods and paths of what may change something; what is mounted counts as one."""
    found = set()
    for route in app.router.routes:
        if isinstance(route, Route):
            found |= {f"{method} {route.path_format}" for method in (route.methods or UNSAFE) & UNSAFE}
        elif isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
            found.add(f"POST {route.path}/{{path}}")
    return found


def _dump(request: RecordedRequest, actions: list[str]) -> None:
    if path := os.environ.get("AUDIT_TRAIL"):
        with Path(path).open("a") as out:
            out.write(f"{request.key}\t{request.status}\t{','.join(actions)}\n")
