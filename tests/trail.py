"""Watches every request of a test and compares what it left in the audit log with what `tests/audited.py` declares."""

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

from tests.audited import ANY, ARRIVED, LEAVES, Leaves
from tests.emailed import EMAILED, MAIL
from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.http.middleware.access_log import AccessLog

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_LEFT = Statement(
    text(
        "SELECT request_id, array_agg(action ORDER BY occurred_at, id) AS actions FROM audit_entries "
        "WHERE request_id = ANY(CAST(:ids AS text[])) AND actor_kind <> 'job' GROUP BY request_id"
    )
)

ERASED = "erased"
"""Stands for the template of an email whose job was erased with its user, so that nobody can say which it was."""

_EMAILS = Statement(
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
class Seen:
    """One request that was answered. With an Idempotency-Key it may have been answered again instead of carried out."""

    request_id: str
    key: str
    status: int
    may_be_replay: bool


@contextmanager
def watching() -> Iterator[list[Seen]]:
    """Every unsafe request that reaches a route while the block runs."""
    seen: list[Seen] = []
    tell = AccessLog._tell

    def note(self: AccessLog, scope: Any, seconds: float) -> None:
        state = scope["state"]
        if scope["method"] in UNSAFE and state["route_template"]:
            replay = b"idempotency-key" in state["request_headers"]
            key = f"{scope['method']} {state['route_template']}"
            seen.append(Seen(state["request_id"], key, state.get("status", 499), replay))
        tell(self, scope, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccessLog, "_tell", note)
        yield seen


async def check(seen: list[Seen], database: Database, driven: Path) -> None:
    """Fail with what was left and what was declared, when they differ; note which routes were driven."""
    left = await _left(seen, database)
    if left is None:
        return
    faults = []
    for request in seen:
        declared = LEAVES.get(request.key)
        actions = _apart_from_arriving(left.get(request.request_id, []), declared)
        _dump(request, actions)
        if declared is None:
            continue
        if (fault := _fault(request, declared, actions)) is not None:
            faults.append(f"{request.key} ({request.status}) left {actions or 'no entry'}: {fault}")
        elif actions and request.status < 400:
            _note(driven, request.key)
    faults += await _without_email(seen, database)
    if faults:
        pytest.fail(
            "\n".join(
                [*faults, "Record the change once in its service, or correct tests/audited.py and tests/emailed.py."]
            )
        )


def _fault(request: Seen, declared: Leaves, actions: list[str]) -> str | None:
    if request.status >= 400:
        # of a request whose outcome is unknown the change may have been made
        allowed = (*declared.refused, *(declared.actions if request.status == 503 else ()))
        beyond = [action for action in actions if action not in allowed and ANY not in declared.actions]
        return f"a refused request may leave {list(declared.refused) or 'none'}" if beyond else None
    if not actions and (declared.none or request.may_be_replay):
        return None
    if actions and ANY in declared.actions:
        return None
    if declared.none and not declared.actions:
        return f"declared to leave none, because {declared.none}"
    if sum(action in declared.actions for action in actions) != 1:
        return f"exactly one of {list(declared.actions)} is declared"
    twice = [action for action, count in Counter(actions).items() if count > 1 and action not in declared.many]
    beyond = [action for action in actions if action not in (*declared.actions, *declared.also, *declared.many)]
    return f"{twice + beyond} not declared" if twice or beyond else None


async def _left(seen: list[Seen], database: Database) -> dict[str, list[str]] | None:
    """What each request left; requests that share an id are left out. None when the database is away."""
    counted = Counter(request.request_id for request in seen)
    seen[:] = [request for request in seen if counted[request.request_id] == 1]
    if not seen:
        return {}
    try:
        rows = await database.read.fetch(_LEFT, ids=[request.request_id for request in seen])
    except (DatabaseUnavailable, OSError):
        return None
    return {row["request_id"]: row["actions"] for row in rows}


async def _without_email(seen: list[Seen], database: Database) -> list[str]:
    """The requests that left an action of which the owner gets an email, and sent that owner none of its templates."""
    keys = {request.request_id: request.key for request in seen}
    if not keys:
        return []
    rows = await database.read.fetch(_EMAILS, ids=list(keys), actions=list(EMAILED), mail=MAIL, erased=ERASED)
    return [
        f"{keys[row['request_id']]} left {row['action']} without an email to its owner ({row['templates']})"
        for row in rows
        if not {*EMAILED[row["action"]], ERASED}.intersection(row["templates"])
    ]


def _apart_from_arriving(actions: list[str], declared: Leaves | None) -> list[str]:
    named = (*declared.actions, *declared.also) if declared is not None else ()
    return [action for action in actions if action not in ARRIVED or action in named]


def _note(driven: Path, key: str) -> None:
    driven.mkdir(parents=True, exist_ok=True)
    (driven / key.replace("/", "|")).touch()


def undriven(folder: Path) -> list[str]:
    """The routes that leave something, but did not in any test of this run."""
    driven = {path.name.replace("|", "/") for path in folder.iterdir()} if folder.is_dir() else set[str]()
    return sorted({key for key, declared in LEAVES.items() if declared.actions} - driven)


def undeclared(app: FastAPI) -> list[str]:
    """The unsafe routes of an application that `LEAVES` says nothing about."""
    return sorted(_unsafe(app) - set(LEAVES))


def stale(app: FastAPI) -> list[str]:
    """What `LEAVES` declares of routes that do not exist."""
    return sorted(set(LEAVES) - _unsafe(app))


def _unsafe(app: FastAPI) -> set[str]:
    """Methods and paths of what may change something; what is mounted counts as one."""
    found = set()
    for route in app.router.routes:
        if isinstance(route, Route):
            found |= {f"{method} {route.path_format}" for method in (route.methods or UNSAFE) & UNSAFE}
        elif isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
            found.add(f"POST {route.path}/{{path}}")
    return found


def _dump(request: Seen, actions: list[str]) -> None:
    if path := os.environ.get("AUDIT_TRAIL"):
        with Path(path).open("a") as out:
            out.write(f"{request.key}\t{request.status}\t{','.join(actions)}\n")
