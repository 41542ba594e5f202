"""Describes what modules declare besides routes and settings."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from undercroft.app.discovery import LoadedModule, defined_in, resources_of, table_names
from undercroft.app.explain.configuration import describe_type, settings_read_by, state_settings
from undercroft.app.explain.description import Description, Facts, Reference, owner_of, refer, summarize, without_empty
from undercroft.app.explain.routes import route_title
from undercroft.app.explain.sources import find_quoted, find_uses
from undercroft.app.registry import Registry, get_registry
from undercroft.core.audit import ActionHandler, AuditTrail
from undercroft.core.auth.permissions import Permission
from undercroft.core.context import current_context
from undercroft.core.crud import Resource
from undercroft.core.crud.declaration import EVENTS, build_permissions
from undercroft.core.db.privacy import is_secret
from undercroft.core.errors import AppError
from undercroft.core.events import Event
from undercroft.core.http import Audit, RouteInfo, get_info
from undercroft.core.http.application import Api
from undercroft.core.http.limits import get_rates, resolve_rate
from undercroft.core.model_classes import model_classes
from undercroft.core.telemetry.origin import locate
from undercroft.jobs import CurrentJob
from undercroft.jobs.backfills.declaration import BackfillTask
from undercroft.jobs.registry import Task

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def describe_modules() -> Iterator[Description]:
    """Describe the modules in the order in which they are loaded."""
    for module in get_registry().modules:
        facts: Facts = {
            "extension": module.is_extension or None,
            "enabled": module.is_enabled,
            "requires": list(module.declaration.requires),
            "mounted_at": module.mount,
            "tables": sorted(table_names(module)),
        }
        kind = "extension" if module.is_extension else "module"
        yield Description(kind, module.name, locate(module.package), summarize(module.package), without_empty(facts))


def describe_tables() -> Iterator[Description]:
    """Describe the tables, sorted by name."""
    for model in sorted(set(model_classes()), key=lambda each: str(each.__tablename__)):
        table: Table = model.__table__  # type: ignore[attr-defined]
        columns = [_describe_column(column, secret=is_secret(model, column)) for column in table.columns]
        facts: Facts = {"module": owner_of(model), "model": model.__name__, "columns": columns}
        yield Description("table", table.name, locate(model), summarize(model), facts, (model.__name__,))


def _describe_column(column: Any, *, secret: bool) -> str:
    words = [column.name, column.type.compile(dialect=DIALECT)]
    words += ["null"] if column.nullable and not column.primary_key else []
    words += ["primary key"] if column.primary_key else []
    words += [f"→ {key.target_fullname}" for key in column.foreign_keys]
    words += ["secret"] if secret else []
    return " ".join(words)


def describe_tasks() -> Iterator[Description]:
    """Describe the tasks, sorted by name; those with a schedule are of the kind `schedule`."""
    for name, task in sorted(get_registry().tasks.by_name.items()):
        yield _describe_task(name, task)


def _describe_task(name: str, task: Task[..., Any]) -> Description:
    facts: Facts = {
        "module": owner_of(task),
        "cron": f"{task.cron.expression} {task.cron.timezone}" if task.cron else None,
        "queue": task.queue,
        "retries": task.retries,
        "timeout": f"{task.timeout:g} s",
        "arguments": _describe_arguments(task),
    }
    kind = "schedule" if task.cron else "task"
    function = task.function.__name__

    def look() -> Facts:
        due = task.cron.next_after(datetime.now(UTC)) if task.cron else None
        calls = find_uses(rf"\benqueue\w*\([^)]*\b{function}\b", mentioning=function, of=task)
        calls += find_quoted(name)
        return without_empty({"next_run": f"{due:%Y-%m-%d %H:%M} UTC" if due else None, "enqueued_in": calls})

    aliases = (function,)
    return Description(kind, name, locate(task.function), summarize(task.function), without_empty(facts), aliases, look)


def _describe_arguments(task: Task[..., Any]) -> list[str]:
    if isinstance(task, BackfillTask):
        return []
    parameters = inspect.signature(task.function).parameters.values()
    return [describe_type(str(each)) for each in parameters if each.annotation is not CurrentJob]


def describe_events() -> Iterator[Description]:
    """Describe the events of the modules with their subscribers in order."""
    declared = (found for module in get_registry().modules for found in _events_of(module))
    for event, name, at in sorted(declared, key=lambda each: each[1]):
        yield _describe_event(event, name, at)


def _describe_event(event: type[Event], name: str, at: type) -> Description:
    """Describe an event. `at` is the class itself, or the resource that has it."""
    facts: Facts = {
        "module": owner_of(at),
        "fields": [f"{field.name}: {describe_type(field.type)}" for field in msgspec.structs.fields(event)],
        "subscribers": [
            _subscriber(each.function, " (in a job, after the commit)" if each.after_commit else "")
            for each in get_registry().subscribers.of(event)
        ],
    }
    summary = summarize(event) if at is event else f"A row of {at.__name__} was {name.rpartition('.')[2].lower()}."
    pattern, file = rf"(?<!class )\b{event.__name__}\(", event.__name__
    if at is not event:
        pattern, file = rf"self\.{name.rpartition('.')[2]}\b", "class Resource(Generic"

    def look() -> Facts:
        return without_empty({"published_in": find_uses(pattern, mentioning=file)})

    return Description("event", name, locate(at), summary, without_empty(facts), (event.__name__,), look)


def _subscriber(function: Any, note: str = "") -> Reference:
    return refer(function, f"{owner_of(function)}.{function.__name__}{note}")


def _events_of(module: LoadedModule) -> Iterator[tuple[type[Event], str, type]]:
    part = module.load_submodule("events")
    declared = defined_in(part, type) if part else []
    yield from ((each, each.__name__, each) for each in declared if issubclass(each, Event))
    for resource in resources_of(module):
        yield from ((getattr(resource, name), f"{resource.__name__}.{name}", resource) for name in EVENTS)


def describe_hook_points() -> Iterator[Description]:
    """Describe the points at which hooks decide, sorted by name, with their hooks in the order in which they run."""
    for point, hooks in sorted(get_registry().hooks.by_point.items(), key=lambda each: each[0].__name__):
        name = point.__name__
        facts: Facts = {
            "module": owner_of(point),
            "fields": [f"{field.name}: {describe_type(field.type)}" for field in msgspec.structs.fields(point)],
            "amendable": list(point.amendable),
            "hooks": [_subscriber(each.function, f" (order {each.order})") for each in hooks],
        }
        look = partial(_find_creations, name)
        yield Description("hook point", name, locate(point), summarize(point), without_empty(facts), (), look)


def _find_creations(name: str) -> Facts:
    return without_empty({"decided_in": find_uses(rf"(?<!class )\b{name}\(", mentioning=name)})


def describe_permissions(app: Api) -> Iterator[Description]:
    """Describe the permissions, sorted by name, with the routes that require them."""
    for permission, at in sorted(_declared_permissions(get_registry()), key=lambda each: each[0].name):
        facts: Facts = {
            "module": owner_of(at) if isinstance(at, type) else owner_of(at.__name__),
            "team_roles": sorted(permission.roles),
            "grantable": not permission.reserved,
            "widens_access": permission.widens_access,
            "routes": _routes_where(app, partial(_requires, permission.name)),
        }
        location = _locate_text(at, permission.name)
        yield Description("permission", permission.name, location, permission.description, without_empty(facts))


def _requires(permission: str, info: RouteInfo) -> bool:
    return info.permission == permission


def _declared_permissions(registry: Registry) -> Iterator[tuple[Permission, Any]]:
    for module in registry.modules:
        part = module.load_submodule("permissions")
        yield from ((each, part) for each in getattr(part, "PERMISSIONS", ()))
        for resource in resources_of(module):
            yield from ((each, resource) for each in build_permissions(resource))


def _locate_text(at: Any, text: str) -> str:
    """The line of a declaration that contains a text; the beginning of the declaration if none does."""
    start = locate(at)
    file = start.rpartition(":")[0]
    if isinstance(at, type):
        return start
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return next((f"{file}:{number}" for number, line in enumerate(lines, 1) if f'"{text}"' in line), start)


def _routes_where(app: Api, condition: Callable[[RouteInfo], bool]) -> list[str]:
    return sorted(route_title(route) for route in app.router.routes if condition(get_info(route)))


def describe_errors(app: Api) -> Iterator[Description]:
    """Describe the errors with a code of their own, sorted by code."""
    import_module("undercroft.app.connection_errors")  # which only the server imports otherwise
    for _ in get_registry().parts("errors"):
        pass
    disabled = tuple(f"undercroft.modules.{name}." for name in get_registry().disabled)
    packages = ("undercroft.", *(f"{module.package.__name__}." for module in get_registry().extensions))
    resources = {each.not_found: each for each in _resources()}
    own = [each for each in _subclasses(AppError) if "code" in vars(each)]
    errors: list[type[AppError]] = sorted([AppError, *own], key=lambda each: (each.code, each.__qualname__))
    for error in errors:
        at: type = resources.get(cast(Any, error), error)
        if at.__module__.startswith(packages) and not at.__module__.startswith(disabled):
            yield _describe_error(app, error, at)


def _describe_error(app: Api, error: type[AppError], at: type) -> Description:
    """Describe an error. `at` is the class itself, or the resource from which it is derived."""
    name = error.__name__
    facts: Facts = {
        "module": owner_of(at),
        "class": name,
        "status": error.status,
        "commits": error.commits or None,
        "headers": [f"{header}: {value}" for header, value in error.default_headers.items()],
        "routes": _routes_where(app, lambda info: error in info.errors),
    }

    def look() -> Facts:
        return without_empty({"raised_in": find_uses(rf"\braise {name}\b", mentioning=name)})

    return Description("error", error.code, locate(at), error.message, without_empty(facts), (name,), look)


def _resources() -> list[type[Resource[Any]]]:
    return [each for module in get_registry().modules for each in resources_of(module)]


def _subclasses(base: type[AppError]) -> Iterator[type[AppError]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def describe_audit_actions(app: Api) -> Iterator[Description]:
    """Describe the actions that routes record or that subscribers handle, sorted by name."""
    handlers = current_context().get(AuditTrail).handlers
    recorded = {action for route in app.router.routes for action in _actions(get_info(route))}
    for name in sorted(recorded | handlers.keys() - {"*"}):
        yield _describe_action(app, name, handlers.get(name, ()))


def _describe_action(app: Api, name: str, handlers: Iterable[ActionHandler]) -> Description:
    resource = next(
        (each for each in _resources() if name in [f"{each.noun}.{event.lower()}" for event in EVENTS]), None
    )
    named = sorted(find_quoted(name), key=lambda each: "/service" not in each)
    location = locate(resource) if resource else named.pop(0) if named else ""
    facts: Facts = {
        "routes": _routes_where(app, lambda info: name in _actions(info)),
        "handlers": [_subscriber(each.function) for each in handlers],
        "named_in": named,
    }
    return Description("audit action", name, location, "", without_empty(facts))


def _actions(info: RouteInfo) -> set[str]:
    if not isinstance(info.audit, Audit):
        return set()
    return {*info.audit.actions, *info.audit.optional, *info.audit.repeatable, *info.audit.on_failure} - {"*"}


def describe_rate_limits(app: Api) -> Iterator[Description]:
    """Describe the named rate limits, sorted by name, with the setting that changes each."""
    for name, rate in sorted(get_rates().items()):
        yield _describe_rate_limit(app, name, rate)


def _describe_rate_limit(app: Api, name: str, rate: Callable[[], str]) -> Description:
    names = settings_read_by(rate)
    facts: Facts = {
        "module": owner_of(rate),
        "settings": names,
        "routes": _routes_where(app, lambda info: info.limit == name),
    }

    def look() -> Facts:
        return {"rate": str(resolve_rate(name)), "settings_in_force": state_settings([*names, "RATE_LIMIT_SCALE"])}

    return Description("rate limit", name, locate(rate), "", without_empty(facts), (), look)
