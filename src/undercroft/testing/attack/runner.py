"""The attack itself: the same request with the victim's id and with one that nobody has, and what must not differ."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, count
from typing import Any
from urllib.parse import quote

import asyncpg
from httpx import Response

from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.testing.attack.id_factories import Owner, tenant_id_factories
from undercroft.testing.attack.operations import Operation, operations
from undercroft.testing.attack.rows import Rows
from undercroft.testing.attack.samples import set_at_path
from undercroft.testing.users import make_client

UNKNOWN_ID = (
    "nobody knows how to make such an object of the victim's; say what it stands for, "
    'register_id("{name}", Model), beside the tests (undercroft.testing.attack)'
)
TEAM_HEADER = "X-Team-ID"
_VARIABLE_TEXT = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|[\w-]{24,}|[0-9a-f]{12,}"
)
_addresses = count(1)


@dataclass(frozen=True)
class IsolationViolation:
    """What somebody else's identifiers achieved on one route."""

    operation: Operation
    sent: str
    problem: str

    def __str__(self) -> str:
        return f"{self.operation} with {self.sent}: {self.problem}"


@dataclass(frozen=True)
class Probe:
    """One request: which ids are somebody else's, by where they go; everything else is the attacker's own."""

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
        return f"the victim's {', '.join(where)}" if where else "nothing of the victim's"


@dataclass
class Attack:
    """Give it a running application and the URL of a role that sees all rows; call it to attack every route."""

    app: Api
    url: str
    exemptions: dict[tuple[str, str], str] = field(default_factory=dict)

    def exempt(self, method: str, path: str, reason: str) -> None:
        """Leave one route alone, for a reason that somebody else can judge."""
        if len(reason) < 10:
            raise ValueError("Say why this route may treat another's object differently.")
        self.exemptions[method, path] = reason

    async def __call__(self, chosen: Callable[[Operation], bool] = lambda _: True) -> None:
        """Raises `AssertionError` that lists what was found, or says which object nobody knows how to make."""
        found = [violation async for violation in self.violations(chosen)]
        if found:
            raise AssertionError("Teams are not kept apart:\n" + "\n".join(f"  {violation}" for violation in found))

    async def violations(
        self, chosen: Callable[[Operation], bool] = lambda _: True
    ) -> AsyncIterator[IsolationViolation]:
        """Everything found, route by route."""
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
    """One victim, whose every kind of object exists, and as many attackers as there are requests."""

    def __init__(self, app: Api, victim: Owner, connection: asyncpg.Connection) -> None:
        self._app = app
        self._victim = victim
        self._connection = connection
        self._before: dict[str, str] = {}

    @classmethod
    async def start(cls, app: Api, connection: asyncpg.Connection) -> "AttackRun":
        victim = await Owner.create(app)
        await victim.person.client.aclose()
        for name in tenant_id_factories():
            await victim.get_object_id(name)
        return cls(app, victim, connection)

    async def attack(self, operation: Operation) -> AsyncIterator[IsolationViolation]:
        unknown = [violation async for violation in self._find_unknown_ids(operation)]
        for violation in unknown:
            yield violation
        self._before = await self._rows().digest()
        for probe in [] if unknown else _list_probes(operation):
            for problem in await self._send_probe(operation, probe):
                yield IsolationViolation(operation, str(probe), problem)

    async def _find_unknown_ids(self, operation: Operation) -> AsyncIterator[IsolationViolation]:
        """Makes the victim's objects, and finds ids of which nobody knows what they stand for.

        Routes for administrators need none: they refuse before they look.
        """
        bodies = (path[-1].removesuffix("s") for path in operation.body_ids)
        for name in sorted({*operation.path_ids, *operation.query_ids, *bodies}):
            try:
                await self._victim.get_object_id(name)
            except LookupError:
                if not operation.is_admin_route:
                    yield IsolationViolation(operation, f"{{{name}}}", UNKNOWN_ID.format(name=name))

    async def _send_probe(self, operation: Operation, probe: Probe) -> list[str]:
        theirs = {name: str(await self._id_of(self._victim, name)) for name in probe.names}
        none = {name: str(new_id()) for name in probe.names}
        hit = await self._send(operation, probe, theirs, self._victim.team_id)
        found = [*self._find_leaks(hit, theirs), *_server_errors(hit)]
        if probe.names or (probe.header and operation.requires_principal):
            missed = await self._send(operation, probe, none, new_id())
            found += _find_differences(operation, probe, hit, missed)
        after = await self._rows().digest()
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
            body = set_at_path(
                body, each, foreign[name] if each == probe.body else str(await self._id_of(attacker, name))
            )
        headers = {TEAM_HEADER: str(team_id if probe.header else attacker.team_id)}
        headers["Authorization"] = f"Bearer {attacker.person.token}"
        how: dict[str, Any] = {} if body is None else {"json" if operation.body_kind.endswith("json") else "data": body}
        number = next(_addresses)
        address = f"198.18.{number // 250 % 250}.{number % 250}"
        async with make_client(self._app, address=address, raise_app_exceptions=False) as http:
            response = await http.request(operation.method, path, params=query, headers=headers, **how)
        response.extensions["attacker"] = attacker
        return response

    def _find_leaks(self, response: Response, sent: dict[str, str]) -> Iterator[str]:
        """Whatever of the victim's is in the answer and was not in the request."""
        whole = response.text + "".join(f"\n{name}: {value}" for name, value in response.headers.items())
        secret = [self._victim.marker, *(str(each) for each in self._victim.ids)]
        reported = {*sent.values(), str(self._victim.team_id)}
        if any(word in whole for word in secret if word not in reported):
            yield f"the answer ({response.status_code}) holds something of the victim's"

    def _rows(self) -> Rows:
        return Rows(self._connection, [self._victim.marker, *(str(each) for each in self._victim.ids)])


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
    """What keeps the attack from reaching anything."""
    if response.status_code >= 500 or response.status_code == 429:
        yield f"the answer is {response.status_code}: {response.text[:300]}"


def _find_differences(operation: Operation, probe: Probe, hit: Response, missed: Response) -> Iterator[str]:
    """How the two answers differ, or say that the object is there; a team in the path wins over the header's."""
    if hit.status_code != missed.status_code:
        yield f"it is answered {hit.status_code}, and {missed.status_code} for what does not exist: a hint"
    elif _normalize(hit) != _normalize(missed):
        yield f"the answer ({hit.status_code}) differs from that for what does not exist: a hint"
    elif hit.status_code < 400 and (probe.path or (probe.header and "team_id" not in operation.path_ids)):
        yield f"it is answered {hit.status_code}, as if it were the attacker's"
    if hit.status_code == 422 and _error_code(hit) == "VALIDATION_ERROR":
        yield f"the attack did not get through, give its body a valid example: {hit.text[:300]}"


def _normalize(response: Response) -> tuple[str, list[str]]:
    """What may not depend on the id: the body without ids, times and secrets, and which headers there are."""
    attacker: Owner = response.extensions["attacker"]
    names = sorted(name for name in response.headers if not name.startswith("x-ratelimit"))
    return _VARIABLE_TEXT.sub("…", response.text.replace(attacker.marker, "…")), names


def _error_code(response: Response) -> str:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
