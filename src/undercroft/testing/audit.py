"""Compares the audit entries that requests recorded with what their routes declare by `audit`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.http import Audit, Exempt, get_info
from undercroft.core.http.middleware.request_log import RequestLog
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.http.versions import list_versions, served_at

ANY_ACTION = "*"
AUDITED, COVERED = "audited", "covered"
"""Folders of a test run with one file for each route."""
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PROVISIONING_ACTIONS = frozenset({"user.registered", "identity.linked"})
"""With an external identity provider, the first request of a user creates the local account, on any route."""

_ACTIONS_QUERY = Statement(
    text(
        "SELECT request_id, array_agg(action ORDER BY occurred_at, id) AS actions FROM audit_entries "
        "WHERE request_id = ANY(CAST(:ids AS text[])) AND actor_kind <> 'job' GROUP BY request_id"
    )
)


class RecordedRequest(Struct, frozen=True):
    """One request with its response and what its route declares.

    With an `Idempotency-Key`, the response may be a stored one.
    """

    request_id: str
    route: str
    status: int
    may_be_replay: bool
    declared: Audit | Exempt | None


@contextmanager
def record_requests() -> Iterator[list[RecordedRequest]]:
    """Record every unsafe request that reaches a route while the block runs."""
    requests: list[RecordedRequest] = []
    log = RequestLog._log  # noqa: SLF001 - called once for each request, with its final status

    def note(self: RequestLog, scope: Any, seconds: float) -> None:
        state = scope["state"]
        if scope["method"] in UNSAFE_METHODS and state["route_template"]:
            route = f"{scope['method']} {state['route_template']}"
            replay = b"idempotency-key" in state["request_headers"]
            declared = declared_audits(scope["app"]).get(route)
            requests.append(RecordedRequest(state["request_id"], route, state.get("status", 499), replay, declared))
        log(self, scope, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestLog, "_log", note)
        yield requests


def declared_audits(app: Starlette) -> dict[str, Audit | Exempt | None]:
    """What the unsafe routes of an application declare, by method and path. A mounted application is one route."""
    routes = app.router.routes
    served = (route for version in list_versions(routes) for route in served_at(routes, version))
    return {f"{method} {path}": get_info(route).audit for route in served for method, path in _unsafe(route)}


def _unsafe(route: BaseRoute) -> Iterator[tuple[str, str]]:
    if isinstance(route, Route):
        yield from ((method, route.path_format) for method in (route.methods or UNSAFE_METHODS) - SAFE_METHODS)
    elif isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
        yield "POST", f"{route.path}/{{path}}"


async def load_actions(requests: Sequence[RecordedRequest], database: Database) -> dict[str, list[str]]:
    """The recorded actions by request ID, except those of requests that share an ID; none if the database is down."""
    counted = Counter(request.request_id for request in requests)
    ids = [name for name, count in counted.items() if count == 1]
    if not ids:
        return {}
    try:
        rows = await database.read.fetch(_ACTIONS_QUERY, ids=ids)
    except (DatabaseUnavailable, OSError):
        return {}
    found = {row["request_id"]: row["actions"] for row in rows}
    return {name: found.get(name, []) for name in ids}


def find_violations(requests: Iterable[RecordedRequest], recorded: dict[str, list[str]]) -> list[str]:
    """Describe the requests that recorded other actions than their route declares."""
    found = []
    for request in requests:
        if request.declared is None or request.request_id not in recorded:
            continue
        actions = _without_provisioning(recorded[request.request_id], request.declared)
        if violation := _find_violation(request, request.declared, actions):
            found.append(f"{request.route} ({request.status}) recorded {actions or 'no entry'}: {violation}")
    return found


async def check_requests(requests: Sequence[RecordedRequest], database: Database, run_folder: Path) -> None:
    """Fail the test if a request recorded other entries than its route declares.

    Also note in the folder of the test run which routes recorded an entry, for `uncovered_routes`.
    """
    recorded = await load_actions(requests, database)
    if violations := find_violations(requests, recorded):
        pytest.fail("\n".join([*violations, "Record the change once in its service, or correct `audit` of the route."]))
    succeeded = [each for each in requests if each.status < 400]
    _touch(run_folder / COVERED, {each.route for each in succeeded if recorded.get(each.request_id)})


def save_audited_routes(app: Starlette, run_folder: Path) -> None:
    """Note which routes of an application declare an action, for `uncovered_routes`."""
    declared = declared_audits(app).items()
    _touch(run_folder / AUDITED, {route for route, audit in declared if isinstance(audit, Audit) and audit.actions})


def uncovered_routes(run_folder: Path) -> list[str]:
    """The routes that declare an action, but recorded none in any test of this run."""
    audited, covered = (
        {path.name.replace("|", "/") for path in folder.iterdir()} if folder.is_dir() else set[str]()
        for folder in (run_folder / AUDITED, run_folder / COVERED)
    )
    return sorted(audited - covered)


def _touch(folder: Path, routes: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for route in routes:
        (folder / route.replace("/", "|")).touch()


def _find_violation(request: RecordedRequest, declared: Audit | Exempt, actions: list[str]) -> str | None:
    if isinstance(declared, Exempt):
        return f"the route declares no entry: {declared.reason}" if actions else None
    if ANY_ACTION in declared.actions:
        return None if actions or declared.none_when or request.status >= 400 else "the route declares an entry"
    if request.status >= 400:
        # A request with an unknown outcome (503) may have made its change.
        allowed = (*declared.on_failure, *(declared.actions if request.status == 503 else ()))
        refused = f"the route declares {list(declared.on_failure) or 'no entry'} for a refused request"
        return None if set(actions) <= set(allowed) else refused
    if not actions and (declared.none_when or request.may_be_replay):
        return None
    if not declared.actions:
        return f"the route declares no entry, because {declared.none_when}"
    if sum(action in declared.actions for action in actions) != 1:
        return f"the route declares exactly one of {list(declared.actions)}"
    repeated = [action for action, count in Counter(actions).items() if count > 1 and action not in declared.repeatable]
    known = (*declared.actions, *declared.optional, *declared.repeatable)
    others = [action for action in actions if action not in known]
    return f"the route does not declare {repeated + others}" if repeated or others else None


def _without_provisioning(actions: list[str], declared: Audit | Exempt) -> list[str]:
    named = (*declared.actions, *declared.optional) if isinstance(declared, Audit) else ()
    return [action for action in actions if action not in PROVISIONING_ACTIONS or action in named]
