"""What will be audited is recorded here, in the transaction of the change.

    await audit.record(session, Entry("project.renamed", target_type="project", target_id=project.id,
                                      team_id=project.team_id, before={"name": old}, after={"name": new}))

One entry per change, by the service that makes it. Who acts and where the request came from is found in the context.
Without an audit module bound, an entry goes to the log once the transaction has been committed.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import structlog
from msgspec import Struct, field

from undercroft.core.db.session import Session
from undercroft.core.db.statement import Statement

log = structlog.get_logger("undercroft.audit")

Scope = MutableMapping[str, Any]
"""The ASGI scope of a request, as the outermost layer fills it."""

USER_AGENT_LENGTH = 400


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    JOB = "job"
    COMMAND = "command"
    ANONYMOUS = "anonymous"
    SYSTEM = "system"


class Actor(Struct, frozen=True):
    """Who acts, as the guard, the worker or the command line found out; `impersonator_id` is who acts as `user_id`.

    `is_staff` says that it is an administrator of the platform, whose address is nobody else's business.
    """

    kind: ActorKind = ActorKind.SYSTEM
    user_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    impersonator_id: UUID | None = None
    job_id: UUID | None = None
    is_staff: bool = False


class RequestOrigin(Struct, frozen=True):
    """Where an action came from: the request, the client's address and program; empty outside of requests."""

    request_id: str | None = None
    ip: str = ""
    user_agent: str = ""


SYSTEM = Actor()
ANONYMOUS = Actor(ActorKind.ANONYMOUS)
NO_ORIGIN = RequestOrigin()
_actor: ContextVar[Actor] = ContextVar("undercroft_actor", default=SYSTEM)
_request: ContextVar[Scope | None] = ContextVar("undercroft_request", default=None)


def current_actor() -> Actor:
    """Who acts here; `SYSTEM` where nobody said."""
    return _actor.get()


def set_current_actor(actor: Actor) -> None:
    """From here on, in this task, this one acts."""
    _actor.set(actor)


@contextmanager
def use_actor(actor: Actor) -> Iterator[None]:
    """Within this block this one acts."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


class AuditContext:
    """Within this block a request is answered, of somebody unknown until a guard says who it is."""

    __slots__ = ("_actor", "_before", "_request")

    def __init__(self, request: Scope) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._actor, self._before = _actor.set(ANONYMOUS), _request.set(self._request)

    def __exit__(self, *_: object) -> None:
        _request.reset(self._before)
        _actor.reset(self._actor)


def current_origin() -> RequestOrigin:
    """Where the request that is being answered came from; of a job, the id of the request that enqueued it."""
    request = _request.get()
    if request is None:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        return RequestOrigin(request_id) if request_id else NO_ORIGIN
    state, client = request["state"], request.get("client")
    agent = state["request_headers"].get(b"user-agent", b"")[:USER_AGENT_LENGTH].decode("latin-1")
    printable = agent if agent.isprintable() else "".join(filter(str.isprintable, agent))
    return RequestOrigin(state["request_id"], client[0][:45] if client else "", printable)


class Entry(Struct, frozen=True):
    """Who did what to which object. `action` is `noun.verb` in the past tense: `user.deactivated`.

    The actor comes from the context; `actor_id` names one where somebody acts who is not signed in yet. `before` and
    `after` hold the changed fields, `details` what else is worth knowing. Secrets are taken out by their names. Names,
    addresses and what else is personal are kept apart from the entry, so that they can be erased: those in `personal`
    and those of the usual names (`email`, `full_name`, `ip`). They are about `person_id`, else about the target if that
    is a user, else about the actor. Texts that a user may have typed are kept apart as well: about the team when the
    entry names one, else about the same person.
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
        """Who acts: whom the context knows, else whom the entry names."""
        actor = _actor.get()
        if self.actor_id is None or actor.kind not in (ActorKind.SYSTEM, ActorKind.ANONYMOUS):
            return actor
        return Actor(ActorKind.USER, user_id=self.actor_id)


def person_id_for_email(email: str) -> UUID:
    """Stands as `person_id` for whoever has an address, of whom it is not known, or not to be told, if they are a user.

    What is kept apart for it is erased when the last account that had this address is deleted. The function
    `audit_person` of the database computes the same.
    """
    return UUID(bytes=sha256(f"mailto:{email}".encode()).digest()[:16])


class Sink(Protocol):
    async def write(self, session: Session, entry: Entry) -> None:
        """Keep the entry in the session's transaction."""
        ...

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        """Give the session a statement that may wait for its end, and store the entry if that returns a row."""
        ...


class LoggingSink:
    """Writes entries as lines of the log after the commit; nothing of what was rolled back."""

    async def write(self, session: Session, entry: Entry) -> None:
        actor = entry.actor
        session.after_commit(lambda: _log(entry, actor))

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        change, actor = await session.write_one(statement, **values), entry.actor
        session.after_commit(lambda: _log(entry, actor) if change.rows else None)


def _log(entry: Entry, actor: Actor) -> None:
    log.info(
        entry.action,
        actor_id=str(actor.user_id) if actor.user_id else None,
        target_type=entry.target_type or None,
        target_id=str(entry.target_id) if entry.target_id else None,
        team_id=str(entry.team_id) if entry.team_id else None,
        changed=sorted({*entry.before, *entry.after}) or None,
        **entry.details,
    )


_sink: Sink = LoggingSink()


def set_sink(sink: Sink) -> None:
    """Send entries here from now on."""
    global _sink
    _sink = sink


ActionHandler = Callable[[Session, Entry], Awaitable[None]]
_handlers: dict[str, list[ActionHandler]] = defaultdict(list)


def on_action(*actions: str) -> Callable[[ActionHandler], ActionHandler]:
    """Have a function called with every entry of these actions, in the transaction of the change.

    For what must never be forgotten where something is changed, such as an email to the owner of an account: a change
    that is audited is followed, whoever makes it.
    """

    def register(follower: ActionHandler) -> ActionHandler:
        for action in actions:
            if follower not in _handlers[action]:
                _handlers[action].append(follower)
        return follower

    return register


def handled_actions() -> frozenset[str]:
    """The actions that somebody follows."""
    return frozenset(action for action, followers in _handlers.items() if followers)


async def record(session: Session, entry: Entry) -> None:
    """Record an entry together with the change that it describes, and let those who follow its action know."""
    await _sink.write(session, entry)
    for follower in _handlers.get(entry.action, ()):
        await follower(session, entry)


async def write_one(session: Session, statement: Statement, entry: Entry, **values: Any) -> None:
    """Make a change and record it in one statement, which waits in the session as `Session.write_one` describes.

    `statement` inserts, updates or deletes one row and returns it (`RETURNING id` will do); without a row there is no
    entry. All values, ids and times among them, come from the caller, who therefore knows the new row.
    """
    await _sink.write_one(session, statement, entry, values)


def changes(row: Any, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`before` and `after` of the fields whose value in `wanted` differs from the row's; both empty when none does."""
    differing = [name for name, value in wanted.items() if getattr(row, name) != value]
    return {name: getattr(row, name) for name in differing}, {name: wanted[name] for name in differing}
