"""Temporary changes of the application in the current context."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from undercroft.core.context import AppContext, current_context, use_context

T = TypeVar("T")


@contextmanager
def replace_component(kind: type[T], component: T, *, context: AppContext | None = None) -> Iterator[T]:
    """Replace a component of the application inside the block. It must have had one."""
    context = current_context() if context is None else context
    before = context.get(kind)
    try:
        yield context.add(kind, component)
    finally:
        context.add(kind, before)


@contextmanager
def add_declarations(*declarations: Any, context: AppContext | None = None) -> Iterator[None]:
    """Add tasks, backfills, subscribers, hooks, action handlers and permissions to the application inside the block.

    with add_declarations(send_reminder, forget_guest): ...
    """
    from undercroft.app.registry import get_registry
    from undercroft.core.audit import ActionHandler, AuditTrail
    from undercroft.core.auth import Permission
    from undercroft.core.auth.permissions import Permissions
    from undercroft.core.events import Subscriber, SubscriberQueue, Subscribers
    from undercroft.core.hooks import Hook, Hooks
    from undercroft.jobs import Task
    from undercroft.jobs.backfills.declaration import Backfill, Backfills
    from undercroft.jobs.registry import Tasks
    from undercroft.jobs.subscribers import SubscriberTask, SubscriberTasks

    context = current_context() if context is None else context
    with use_context(context):
        get_registry()

    def new(kind: type[T]) -> list[T]:
        return [each for each in declarations if isinstance(each, kind)]

    tasks = [each for each in context.get(Tasks).by_name.values() if not isinstance(each, SubscriberTask)]
    subscribers = Subscribers([*context.get(Subscribers).all, *new(Subscriber)])
    queue = SubscriberTasks(subscribers)
    hooks = [hook for each in context.get(Hooks).by_point.values() for hook in each]
    trail, permissions = context.get(AuditTrail), context.get(Permissions)
    handlers = {id(handler): handler for each in trail.handlers.values() for handler in each}
    changed: dict[type[Any], Any] = {
        Tasks: Tasks([*tasks, *new(Task), *(each.task for each in new(Backfill)), *queue.all]),
        Backfills: Backfills([*context.get(Backfills).by_name.values(), *new(Backfill)]),
        Subscribers: subscribers,
        SubscriberQueue: queue,
        Hooks: Hooks([*hooks, *new(Hook)]),
        AuditTrail: AuditTrail(trail.sink, [*handlers.values(), *new(ActionHandler)]),
        Permissions: Permissions([*permissions.by_name.values(), *new(Permission)]),
    }
    with ExitStack() as stack:
        for kind, component in changed.items():
            stack.enter_context(replace_component(kind, component, context=context))
        yield
