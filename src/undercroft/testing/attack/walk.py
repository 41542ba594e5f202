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
from undercroft.testing.attack.objects import Owner, of_tenants
from undercroft.testing.attack.operations import Operation, operations
from undercroft.testing.attack.rows import Rows
from undercroft.testing.attack.samples import put
from undercroft.testing.people import client_of

UNKNOWN = (
    "nobody knows how to make such an object of the victim's; say what it stands for, "
    'stands_for("{name}", Model), beside the tests (undercroft.testing.attack)'
)
TEAM_HEADER = "X-Team-ID"
_VARIES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|[\w-]{24,}|[0-9a-f]{12,}"
)
_addresses = count(1)


@dataclass(frozen=True)
class Finding:
    """What somebody else's identifiers achieved on one route."""

    operation: Operation
    sent: str
    what: str

    def __str__(self) -> str:
        return f"{self.operation} with {self.sent}: {self.what}"


@dataclass(frozen=True)
class Shot:
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
    excused: dict[tuple[str, str], str] = field(default_factory=dict)

    def excuse(self, method: str, path: str, because: str) -> None:
        """Leave one route alone, for a reason that somebody else can judge."""
        if len(because) < 10:
            raise ValueError("Say why this route may treat another's object differently.")
        self.excused[method, path] = because

    async def __call__(self, chosen: Callable[[Operation], bool] = lambda _: True) -> None:
        """Raises `AssertionError` that lists what was found, or says which object nobody knows how to make."""
        found = [finding async for finding in self.findings(chosen)]
        if found:
            raise AssertionError("Teams are not kept apart:\n" + "\n".join(f"  {finding}" for finding in found))

    async def findings(self, chosen: Callable[[Operation], bool] = lambda _: True) -> AsyncIterator[Finding]:
        """Everything found, route by route."""
        connection = await asyncpg.connect(self.url)
        try:
            battle = await Battle.begin(self.app, connection)
            for operation in operations(self.app):
                if (operation.method, operation.path) not in self.excused and chosen(operation):
                    async for finding in battle.attack(operation):
                        yield finding
        finally:
            await connection.close()


class Battle:
    """One victim, whose every kind of object exists, and as many attackers as there are requests."""

    def __init__(self, app: Api, victim: Owner, connection: asyncpg.Connection) -> None:
        self._app = app
        self._victim = victim
        self._connection = connection
        self._before: dict[str, str] = {}

    @classmethod
    async def begin(cls, app: Api, connection: asyncpg.Connection) -> "Battle":
        victim = await Owner.appear(app)
        await victim.person.client.aclose()
        for name in of_tenants():
            await victim.object(name)
        return cls(app, victim, connection)

    async def attack(self, operation: Operation) -> AsyncIterator[Finding]:
        unknown = [finding async for finding in self._unknown(operation)]
        for finding in unknown:
            yield finding
        self._before = await self._rows().digest()
        for shot in [] if unknown else _shots(operation):
            for what in await self._fire(operation, shot):
                yield Finding(operation, str(shot), what)

    async def _unknown(self, operation: Operation) -> AsyncIterator[Finding]:
        """Makes the victim's objects, and finds ids of which nobody knows what they stand for.

        Routes for administrators need none: they refuse before they look.
        """
        bodies = (path[-1].removesuffix("s") for path in operation.body_ids)
        for name in sorted({*operation.path_ids, *operation.query_ids, *bodies}):
            try:
                await self._victim.object(name)
            except LookupError:
                if not operation.is_administration:
                    yield Finding(operation, f"{{{name}}}", UNKNOWN.format(name=name))

    async def _fire(self, operation: Operation, shot: Shot) -> list[str]:
        theirs = {name: str(await self._id_of(self._victim, name)) for name in shot.names}
        none = {name: str(new_id()) for name in shot.names}
        hit = await self._send(operation, shot, theirs, self._victim.team_id)
        found = [*self._leaks(hit, theirs), *_faults(hit)]
        if shot.names or (shot.header and operation.guarded):
            missed = await self._send(operation, shot, none, new_id())
            found += _hints(operation, shot, hit, missed)
        after = await self._rows().digest()
        changed = sorted(name for name in {*after, *self._before} if after.get(name) != self._before.get(name))
        self._before = after
        return [*found, *(f"the victim's rows in {name} were changed" for name in changed)]

    async def _id_of(self, owner: Owner, name: str) -> Any:
        try:
            return await owner.object(name)
        except LookupError:
            return new_id()

    async def _send(self, operation: Operation, shot: Shot, foreign: dict[str, str], team_id: Any) -> Response:
        attacker = await Owner.appear(self._app)
        await attacker.person.client.aclose()
        path = operation.path
        for name in operation.path_ids:
            value = foreign[name] if name in shot.path else str(await self._id_of(attacker, name))
            path = path.replace(f"{{{name}}}", value)
        for name in operation.path_others:
            path = re.sub(rf"\{{{name}(:\w+)?\}}", quote("sample"), path)
        query = {**operation.query, **({shot.query: foreign[shot.query]} if shot.query else {})}
        body = operation.body
        for each in operation.body_ids:
            name = each[-1].removesuffix("s")
            body = put(body, each, foreign[name] if each == shot.body else str(await self._id_of(attacker, name)))
        headers = {TEAM_HEADER: str(team_id if shot.header else attacker.team_id)}
        headers["Authorization"] = f"Bearer {attacker.person.token}"
        how: dict[str, Any] = {} if body is None else {"json" if operation.body_kind.endswith("json") else "data": body}
        number = next(_addresses)
        address = f"198.18.{number // 250 % 250}.{number % 250}"
        async with client_of(self._app, address=address, raise_app_exceptions=False) as http:
            answer = await http.request(operation.method, path, params=query, headers=headers, **how)
        answer.extensions["attacker"] = attacker
        return answer

    def _leaks(self, answer: Response, sent: dict[str, str]) -> Iterator[str]:
        """Whatever of the victim's is in the answer and was not in the request."""
        whole = answer.text + "".join(f"\n{name}: {value}" for name, value in answer.headers.items())
        secret = [self._victim.marker, *(str(each) for each in self._victim.ids)]
        told = {*sent.values(), str(self._victim.team_id)}
        if any(word in whole for word in secret if word not in told):
            yield f"the answer ({answer.status_code}) holds something of the victim's"

    def _rows(self) -> Rows:
        return Rows(self._connection, [self._victim.marker, *(str(each) for each in self._victim.ids)])


def _shots(operation: Operation) -> Iterator[Shot]:
    yield Shot()
    names = operation.path_ids
    for some in chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)):
        yield Shot(path=frozenset(some))
    yield from (Shot(query=name) for name in operation.query_ids)
    yield from (Shot(body=path) for path in operation.body_ids)
    yield Shot(header=True)
    if names:
        yield Shot(header=True, path=frozenset(names))


def _faults(answer: Response) -> Iterator[str]:
    """What keeps the attack from reaching anything."""
    if answer.status_code >= 500 or answer.status_code == 429:
        yield f"the answer is {answer.status_code}: {answer.text[:300]}"


def _hints(operation: Operation, shot: Shot, hit: Response, missed: Response) -> Iterator[str]:
    """How the two answers differ, or say that the object is there; a team in the path wins over the header's."""
    if hit.status_code != missed.status_code:
        yield f"it is answered {hit.status_code}, and {missed.status_code} for what does not exist: a hint"
    elif _constant(hit) != _constant(missed):
        yield f"the answer ({hit.status_code}) differs from that for what does not exist: a hint"
    elif hit.status_code < 400 and (shot.path or (shot.header and "team_id" not in operation.path_ids)):
        yield f"it is answered {hit.status_code}, as if it were the attacker's"
    if hit.status_code == 422 and _code(hit) == "VALIDATION_ERROR":
        yield f"the attack did not get through, give its body a valid example: {hit.text[:300]}"


def _constant(answer: Response) -> tuple[str, list[str]]:
    """What may not depend on the id: the body without ids, times and secrets, and which headers there are."""
    attacker: Owner = answer.extensions["attacker"]
    names = sorted(name for name in answer.headers if not name.startswith("x-ratelimit"))
    return _VARIES.sub("…", answer.text.replace(attacker.marker, "…")), names


def _code(answer: Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
