"""Record audit entries in the transaction of the change.

    await audit.record(session, Entry("project.renamed", target_type="project", target_id=project.id,
                                      team_id=project.team_id, before={"name": old}, after={"name": new}))

The service that makes a change records one entry for it. The actor and the origin of the request come from the context.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import structlog
from msgspec import Struct, field

from undercroft.core.context import current_context
from undercroft.core.db.session import Session
from undercroft.core.db.statement import Statement

__all__ = [
    "ActionHandler",
    "Actor",
    "ActorKind",
    "AuditTrail",
    "Entry",
    "RequestOrigin",
    "Sink",
    "changes",
    "current_actor",
    "current_origin",
    "on_action",
    "person_id_for_email",
    "record",
    "set_current_actor",
    "use_actor",
    "write_one",
]

Scope = MutableMapping[str, Any]
"""The ASGI scope of a request, as the outermost middleware fills it."""

USER_AGENT_LENGTH = 400


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    JOB = "job"
    COMMAND = "command"
    ANONYMOUS = "anonymous"
    SYSTEM = "system"


class Actor(Struct, frozen=True):
    """The actor of an action, as the guard, the worker or the command line determined it.

    `impersonator_id` is the administrator who impersonates `user_id`. `is_staff` is true for platform administrators,
    whose email address must not be shown to other users.
    """

    kind: ActorKind = ActorKind.SYSTEM
    user_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    impersonator_id: UUID | None = None
    job_id: UUID | None = None
    is_staff: bool = False


class RequestOrigin(Struct, frozen=True):
    """The origin of an action: request id, IP address and user agent of the client. Empty outside of requests."""

    request_id: str | None = None
    ip: str = ""
    user_agent: str = ""


SYSTEM = Actor()
ANONYMOUS = Actor(ActorKind.ANONYMOUS)
NO_ORIGIN = RequestOrigin()
_actor: ContextVar[Actor] = ContextVar("undercroft_actor", default=SYSTEM)
_request: ContextVar[Scope | None] = ContextVar("undercroft_request", default=None)


def current_actor() -> Actor:
    """The actor of the current context, `SYSTEM` if none is set."""
    return _actor.get()


def set_current_actor(actor: Actor) -> None:
    """Set the actor of the current task."""
    _actor.set(actor)


@contextmanager
def use_actor(actor: Actor) -> Iterator[None]:
    """Set the actor inside this block."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


class AuditContext:
    """Inside this block the server handles a request; its actor is anonymous until a guard authenticates the caller."""

    __slots__ = ("_actor", "_before", "_request")

    def __init__(self, request: Scope) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._actor, self._before = _actor.set(ANONYMOUS), _request.set(self._request)

    def __exit__(self, *_: object) -> None:
        _request.reset(self._before)
        _actor.reset(self._actor)


def current_origin() -> RequestOrigin:
    """The origin of the current request; in a job, the id of the request that enqueued it."""
    request = _request.get()
    if request is None:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        return RequestOrigin(request_id) if request_id else NO_ORIGIN
    state, client = request["state"], request.get("client")
    agent = state["request_headers"].get(b"user-agent", b"")[:USER_AGENT_LENGTH].decode("latin-1")
    printable = agent if agent.isprintable() else "".join(filter(str.isprintable, agent))
    return RequestOrigin(state["request_id"], client[0][:45] if client else "", printable)


class Entry(Struct, frozen=True):
    """One change: actor, action and target. `action` is `noun.verb` in the past tense: `user.deactivated`.

    The actor comes from the context; `actor_id` sets it where the user is not signed in yet. `before` and `after`
    contain the changed fields, `details` any other facts. Fields that are named like secrets are removed.

    Personal data is stored apart from the entry, so that it can be erased: the fields in `personal` and those with the
    usual names (`email`, `full_name`, `ip`). It belongs to `person_id`, otherwise to the target if that is a user,
    otherwise to the actor. Free text is stored apart as well: for the team if the entry has one, otherwise for the same
    person.
    """

    action: str
    actor_id: UUID | None = None
    target_type: str = ""
    target_id: UUID | None = None
    team_id: UUID | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    person_id: UUID | None = None
    personal: Collection[str] = ()

    @property
    def actor(self) -> Actor:
        """The actor from the context, otherwise the one set by `actor_id`."""
        actor = _actor.get()
        if self.actor_id is None or actor.kind not in (ActorKind.SYSTEM, ActorKind.ANONYMOUS):
            return actor
        return Actor(ActorKind.USER, user_id=self.actor_id)


def person_id_for_email(email: str) -> UUID:
    """A `person_id` derived from an email address, for cases where it is unknown or confidential if a user has it.

    The personal data stored for it is erased when the last account that had this address is deleted. The database
    function `audit_person` computes the same value.
    """
    return UUID(bytes=sha256(f"mailto:{email}".encode()).digest()[:16])


class Sink(Protocol):
    """Stores entries; the module `audit` declares it as `AUDIT_SINK`."""

    async def write(self, session: Session, entry: Entry) -> None:
        """Store the entry in the session's transaction."""
        ...

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        """Pass the session a statement that it may defer, and store the entry if the statement returns a row."""
        ...


class ActionHandler(Struct, frozen=True):
    """A function that is called with every entry of these actions."""

    actions: tuple[str, ...]
    function: Callable[[Session, Entry], Awaitable[None]]


class AuditTrail:
    """The sink of an application, and the handlers of its modules by action."""

    def __init__(self, sink: Sink, handlers: Iterable[ActionHandler] = ()) -> None:
        self.sink = sink
        self.handlers: dict[str, tuple[ActionHandler, ...]] = {}
        for handler in handlers:
            for action in handler.actions:
                self.handlers[action] = (*self.handlers.get(action, ()), handler)


def on_action(*actions: str) -> Callable[[Callable[[Session, Entry], Awaitable[None]]], ActionHandler]:
    """Declare a function in `subscribers.py` that is called with every entry of these actions, in the transaction of
    the change.

    For effects that must follow a change wherever it is made, such as an email to the owner of an account.
    """

    def declare(function: Callable[[Session, Entry], Awaitable[None]]) -> ActionHandler:
        return ActionHandler(actions, function)

    return declare


async def record(session: Session, entry: Entry) -> None:
    """Record an entry together with the change that it describes, then call the handlers of its action."""
    trail = current_context().get(AuditTrail)
    await trail.sink.write(session, entry)
    for handler in trail.handlers.get(entry.action, ()):
        await handler.function(session, entry)


async def write_one(session: Session, statement: Statement, entry: Entry, **values: Any) -> None:
    """Write a change and its entry in one statement, which the session may defer (see `Session.write_one`).

    `statement` inserts, updates or deletes one row and returns it (`RETURNING id` is enough). If it returns no row, no
    entry is stored. The caller provides all values, including ids and times.
    """
    await current_context().get(AuditTrail).sink.write_one(session, statement, entry, values)


def changes(row: Any, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`before` and `after` of the fields with another value in `wanted` than in the row; both empty if none differs."""
    differing = [name for name, value in wanted.items() if getattr(row, name) != value]
    return {name: getattr(row, name) for name in differing}, {name: wanted[name] for name in differing}
