"""Runs the attack: sends each request with the victim's ID and with an unused one, and compares the responses."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, count
from typing import Any
from urllib.parse import quote

import asyncpg
from httpx2 import Response

from undercroft.core.http.application import Api
from undercroft.core.http.route_info import WEBSOCKET
from undercroft.core.ids import new_id
from undercroft.testing.attack.id_factories import Owner, list_id_factories
from undercroft.testing.attack.operations import Operation, operations
from undercroft.testing.attack.samples import set_at_path
from undercroft.testing.users import TEAM_HEADER, make_client
from undercroft.testing.websockets import connect_websocket

_TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = 'public' ORDER BY 1
"""


async def _digest_rows(connection: asyncpg.Connection, words: list[str]) -> dict[str, str]:
    """Return a digest of the rows that contain one of these words, for each table with such rows."""
    names = [row[0] for row in await connection.fetch(_TABLES)]
    rows = await connection.fetch(" UNION ALL ".join(map(_digest_query, names)), "|".join(words))
    return {row[0]: row[1] for row in rows if row[1] is not None}


def _digest_query(name: str) -> str:
    digest = "md5(string_agg(t::text, '|' ORDER BY t::text))"
    return f"SELECT '{name}', {digest} FROM {name} t WHERE t::text ~ $1"  # noqa: S608 - names come from the catalogue


UNKNOWN_ID = (
    "the model of this ID is unknown; declare it in the module's testing.py: "
    'IDS = {{"{name}": new_row(Model)}} (undercroft.testing.attack)'
)
_VARIABLE_TEXT = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|[\w-]{24,}|[0-9a-f]{12,}"
)
_addresses = count(1)


@dataclass(frozen=True)
class IsolationViolation:
    """A violation of tenant isolation on one route."""

    operation: Operation
    sent: str
    problem: str

    def __str__(self) -> str:
        return f"{self.operation} with {self.sent}: {self.problem}"


@dataclass(frozen=True)
class Probe:
    """One request: the places of the victim's IDs. All other IDs are the attacker's."""

    path: frozenset[str] = frozenset()
    query: str = ""
    body: tuple[str, ...] = ()
    header: bool = False

    @property
    def names(self) -> list[str]:
        body = self.body[-1].removesuffix("s") if self.body else ""
        return [*sorted(self.path), *filter(None, [self.query, body])]

    def __str__(self) -> str:
        where = [*(f"{{{name}}} in the path" for name in sorted(self.path))]
        where += [f"{self.query} in the query"] if self.query else []
        where += [f"{'.'.join(self.body)} in the body"] if self.body else []
        where += [TEAM_HEADER] if self.header else []
        return f"the victim's {', '.join(where)}" if where else "no ID of the victim"


@dataclass
class Attack:
    """Attacks every route of a running application when it is called. `url` is that of a role that sees all rows."""

    app: Api
    url: str
    exemptions: dict[tuple[str, str], str] = field(default_factory=dict)

    def exempt(self, method: str, path: str, reason: str) -> None:
        """Exempt one route, with a reason that reviewers can verify."""
        if len(reason) < 10:
            raise ValueError("Give a reason why this route is exempt.")
        self.exemptions[method, path] = reason

    async def __call__(self, chosen: Callable[[Operation], bool] = lambda _: True) -> None:
        """Attack the chosen routes. Raises `AssertionError` that lists all violations and unknown IDs."""
        found = [violation async for violation in self.violations(chosen)]
        if found:
            raise AssertionError("Tenant isolation is violated:\n" + "\n".join(f"  {violation}" for violation in found))

    async def violations(
        self, chosen: Callable[[Operation], bool] = lambda _: True
    ) -> AsyncIterator[IsolationViolation]:
        """Yield all violations, route by route."""
        connection = await asyncpg.connect(self.url)
        try:
            run = await AttackRun.start(self.app, connection)
            for operation in operations(self.app):
                if (operation.method, operation.path) not in self.exemptions and chosen(operation):
                    async for violation in run.attack(operation):
                        yield violation
        finally:
            await connection.close()


class AttackRun:
    """An attack with one victim, who has an object of every kind, and a new attacker for each request."""

    def __init__(self, app: Api, victim: Owner, connection: asyncpg.Connection) -> None:
        self._app = app
        self._victim = victim
        self._connection = connection
        self._before: dict[str, str] = {}

    @classmethod
    async def start(cls, app: Api, connection: asyncpg.Connection) -> "AttackRun":
        victim = await Owner.create(app)
        await victim.person.client.aclose()
        for name in list_id_factories(app):
            try:
                await victim.get_object_id(name)
            except Exception as error:
                fix = "Declare one with valid values in the module's testing.py."
                error.add_note(f"This was the factory of {name}. {fix}")
                raise
        return cls(app, victim, connection)

    async def attack(self, operation: Operation) -> AsyncIterator[IsolationViolation]:
        unknown = [violation async for violation in self._find_unknown_ids(operation)]
        for violation in unknown:
            yield violation
        self._before = await _digest_rows(self._connection, self._victim_words)
        for probe in [] if unknown else _list_probes(operation):
            for problem in await self._send_probe(operation, probe):
                yield IsolationViolation(operation, str(probe), problem)

    async def _find_unknown_ids(self, operation: Operation) -> AsyncIterator[IsolationViolation]:
        """Yield a violation for each ID with an unknown model.

        Admin routes need no objects: they return an error before they read any.
        """
        bodies = (path[-1].removesuffix("s") for path in operation.body_ids)
        for name in sorted({*operation.path_ids, *operation.query_ids, *bodies}):
            try:
                await self._victim.get_object_id(name)
            except LookupError:
                if not operation.is_admin_route:
                    yield IsolationViolation(operation, f"{{{name}}}", UNKNOWN_ID.format(name=name))

    async def _send_probe(self, operation: Operation, probe: Probe) -> list[str]:
        victim_ids = {name: str(await self._id_of(self._victim, name)) for name in probe.names}
        unused_ids = {name: str(new_id()) for name in probe.names}
        hit = await self._send(operation, probe, victim_ids, self._victim.team_id)
        found = [*self._find_leaks(hit, victim_ids), *_server_errors(hit)]
        if probe.names or (probe.header and operation.requires_principal):
            missed = await self._send(operation, probe, unused_ids, new_id())
            found += _find_differences(operation, probe, hit, missed)
        after = await _digest_rows(self._connection, self._victim_words)
        changed = sorted(name for name in {*after, *self._before} if after.get(name) != self._before.get(name))
        self._before = after
        return [*found, *(f"the victim's rows in {name} were changed" for name in changed)]

    async def _id_of(self, owner: Owner, name: str) -> Any:
        try:
            return await owner.get_object_id(name)
        except LookupError:
            return new_id()

    async def _send(self, operation: Operation, probe: Probe, foreign: dict[str, str], team_id: Any) -> Response:
        attacker = await Owner.create(self._app)
        await attacker.person.client.aclose()
        path = operation.path
        for name in operation.path_ids:
            value = foreign[name] if name in probe.path else str(await self._id_of(attacker, name))
            path = path.replace(f"{{{name}}}", value)
        for name in operation.other_path_params:
            path = re.sub(rf"\{{{name}(:\w+)?\}}", quote("sample"), path)
        query = {**operation.query, **({probe.query: foreign[probe.query]} if probe.query else {})}
        body = operation.body
        for each in operation.body_ids:
            name = each[-1].removesuffix("s")
            value = foreign[name] if each == probe.body else str(await self._id_of(attacker, name))
            body = set_at_path(body, each, value)
        headers = {TEAM_HEADER: str(team_id if probe.header else attacker.team_id)}
        headers["Authorization"] = f"Bearer {attacker.person.token}"
        how: dict[str, Any] = {} if body is None else {"json" if operation.body_kind.endswith("json") else "data": body}
        number = next(_addresses)
        address = f"198.18.{number // 250 % 250}.{number % 250}"
        if operation.method == WEBSOCKET:
            response = await connect_websocket(self._app, path, headers=headers, query=query, address=address)
        else:
            async with make_client(self._app, address=address, raise_app_exceptions=False) as http:
                response = await http.request(operation.method, path, params=query, headers=headers, **how)
        response.extensions["attacker"] = attacker
        return response

    def _find_leaks(self, response: Response, sent: dict[str, str]) -> Iterator[str]:
        """Yield a problem if the response contains data of the victim that was not in the request."""
        whole = response.text + "".join(f"\n{name}: {value}" for name, value in response.headers.items())
        in_request = {*sent.values(), str(self._victim.team_id)}
        if any(word in whole for word in self._victim_words if word not in in_request):
            yield f"the response ({response.status_code}) contains data of the victim"

    @property
    def _victim_words(self) -> list[str]:
        return [self._victim.marker, *(str(each) for each in self._victim.ids)]


def _list_probes(operation: Operation) -> Iterator[Probe]:
    yield Probe()
    names = operation.path_ids
    for some in chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)):
        yield Probe(path=frozenset(some))
    yield from (Probe(query=name) for name in operation.query_ids)
    yield from (Probe(body=path) for path in operation.body_ids)
    yield Probe(header=True)
    if names:
        yield Probe(header=True, path=frozenset(names))


def _server_errors(response: Response) -> Iterator[str]:
    """Yield a problem for responses that prevent the attack."""
    if response.status_code >= 500 or response.status_code == 429:
        yield f"the response is {response.status_code}: {response.text[:300]}"


def _find_differences(operation: Operation, probe: Probe, hit: Response, missed: Response) -> Iterator[str]:
    """Yield differences between the responses, and successful ones. A team in the path overrides the header."""
    if hit.status_code != missed.status_code:
        yield f"the response is {hit.status_code}, but {missed.status_code} for an object that does not exist"
    elif _normalize(hit) != _normalize(missed):
        yield f"the response ({hit.status_code}) differs from that for an object that does not exist"
    elif hit.status_code < 400 and (probe.path or (probe.header and "team_id" not in operation.path_ids)):
        yield f"the response is {hit.status_code}, as if the object were the attacker's"
    if hit.status_code == 422 and _error_code(hit) == "VALIDATION_ERROR":
        yield f"the request failed validation; add a valid example to the schema of its body: {hit.text[:300]}"


def _normalize(response: Response) -> tuple[str, list[str]]:
    """Return the parts that must not depend on the ID: the body without IDs, times and secrets, and header names."""
    attacker: Owner = response.extensions["attacker"]
    names = sorted(name for name in response.headers if not name.startswith("x-ratelimit"))
    return _VARIABLE_TEXT.sub("…", response.text.replace(attacker.marker, "…")), names


def _error_code(response: Response) -> str:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
