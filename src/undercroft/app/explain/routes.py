"""Describes routes by what they declare."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from undercroft.app.explain.configuration import settings_read_by, state_settings
from undercroft.app.explain.description import Description, Facts, Reference, owner_of, refer, summarize, without_empty
from undercroft.app.reference import describe_access
from undercroft.app.registry import get_registry, resource_routers
from undercroft.app.service_overrides import overridden_methods
from undercroft.core.auth.permissions import Permissions
from undercroft.core.context import current_context
from undercroft.core.crud import Resource
from undercroft.core.db.extra_fields import locate_field
from undercroft.core.http import Audit, Exempt, RouteInfo, Surface, When, get_info
from undercroft.core.http._fastapi import dependency_calls
from undercroft.core.http.application import Api
from undercroft.core.http.deprecated_inputs import find_deprecated_fields
from undercroft.core.http.dispatcher import Dispatcher
from undercroft.core.http.extended_schemas import ExtendedSchemas
from undercroft.core.http.idempotency import get_idempotency_mode, is_secret, stores_keys
from undercroft.core.http.limits import get_rate_limit_rule, get_rates
from undercroft.core.http.route_info import WEBSOCKET
from undercroft.core.http.versions import with_version
from undercroft.core.telemetry.origin import locate

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", WEBSOCKET, "MOUNT")


def describe_routes(app: Api) -> Iterator[Description]:
    """Describe all routes of an application, in the order of their paths."""
    resources = _resources_by_endpoint()
    routes = [route for route in app.router.routes if isinstance(route, (Route, WebSocketRoute, Mount))]
    for route in sorted(routes, key=lambda each: (_path(each), _methods(each))):
        yield describe_route(route, resources.get(getattr(route, "endpoint", None)))


def describe_route(route: BaseRoute, resource: type[Resource[Any]] | None = None) -> Description:
    """Describe one route. `resource` is the resource that it was made from."""
    endpoint = getattr(route, "endpoint", None) or type(getattr(route, "app", route))
    info = get_info(route)
    facts: Facts = {
        "module": owner_of(resource or endpoint),
        **_version(route, info),
        "deprecated_inputs": [each.describe() for each in find_deprecated_fields(route)],
        "resource": [refer(resource)] if resource else None,
        "access": None if info.permission or info.role else _access(route),
        **_guards(info),
        **_limits(route),
        "idempotency": _idempotency(route),
        **_audit(info),
        "errors": [f"{error.code} ({error.status})" for error in info.errors],
        "extra_fields": list(_extra_fields(route)),
    }
    return Description(
        "route",
        route_title(route),
        locate(endpoint),
        getattr(route, "summary", None) or summarize(endpoint),
        without_empty(facts),
        tuple(filter(None, (getattr(route, "name", None), getattr(route, "operation_id", None)))),
        lambda: without_empty(_calls(route, endpoint, resource)),
    )


def find_routes(app: Api, text: str) -> list[Description] | None:
    """Describe the routes of a path such as `GET /api/v1/app/projects`: as it is declared, or as a client sends it.

    A URL and its query are accepted. Returns None if the text is no path.
    """
    method, _, path = text.strip().rpartition(" ")
    method, path = method.strip().upper(), urlsplit(path).path
    if not path.startswith("/") or (method and method not in METHODS):
        return None
    found = [route for route in app.router.routes if _path(route) == path] or _served(app, path)
    resources = _resources_by_endpoint()
    described = [describe_route(route, resources.get(getattr(route, "endpoint", None))) for route in found]
    named = [each for each in described if not method or {method, "MOUNT"} & {*each.name.partition(" ")[0].split("/")}]
    return sorted(named, key=lambda each: METHODS.index(re.split("[/ ]", each.name)[0]))


def _served(app: Api, path: str) -> list[BaseRoute]:
    """The routes that serve a path, as the application dispatches it."""
    found: list[BaseRoute] = list(Dispatcher(app.router.routes).find(path).values())
    others = [each for each in app.router.routes if isinstance(each, (WebSocketRoute, Mount))]
    found += [each for each in others if each.path_regex.match(path)]
    return list({id(route): route for route in found}.values())


def route_title(route: BaseRoute) -> str:
    """The methods and the path of a route: `GET /api/v1/app/projects`."""
    return f"{_methods(route)} {_path(route)}"


def _methods(route: BaseRoute) -> str:
    if isinstance(route, Route):
        return "/".join(sorted(route.methods or ("GET",)))
    return WEBSOCKET if isinstance(route, WebSocketRoute) else "MOUNT"


def _path(route: BaseRoute) -> str:
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))


def _access(route: BaseRoute) -> str:
    if isinstance(route, (APIRoute, APIWebSocketRoute)):
        return describe_access(route)
    return str(getattr(getattr(route, "app", None), "access", "public"))


def _guards(info: RouteInfo) -> Facts:
    """What the guards require, which `require_access` enforces."""
    facts: Facts = {"surface": info.surface.value}
    if info.surface in (Surface.PUBLIC, Surface.ROOT):
        return facts
    granted = current_context().get(Permissions).by_name.get(info.permission or "")
    return facts | {
        "permission": info.permission,
        "team_roles": sorted(granted.roles) if granted else None,
        "role": info.role.value if info.role else None,
        "not_required_of": f"the user in {{{info.or_self}}}" if info.or_self else None,
        "guard": [refer(info.guard)] if info.guard else None,
        "team": None if info.surface is not Surface.APP else _describe_team(info),
        "step_up": _describe_step_up(info),
        "api_keys": info.api_keys,
        "impersonation": info.impersonation,
    }


def _describe_team(info: RouteInfo) -> str:
    if info.team_independent:
        return "independent of teams"
    return "only the current user, in the current team" if info.self_only else "the current team"


def _describe_step_up(info: RouteInfo) -> str:
    match info.step_up:
        case When(case=case):
            return f"required {case}"
        case Exempt(reason=reason):
            return f"not required: {reason}"
    return "required" if info.step_up else "not required"


def _version(route: BaseRoute, info: RouteInfo) -> Facts:
    """The version of a route that is not of version 1, and what replaces a deprecated one."""
    successor = with_version(_path(route), info.successor) if info.successor else None
    return {
        "api_version": info.version if info.version > 1 else None,
        "deprecated": info.deprecation.describe(successor)
        if info.deprecation
        else getattr(route, "deprecated", None) or None,
    }


def _limits(route: BaseRoute) -> Facts:
    rule = get_rate_limit_rule(route)
    if rule is None:
        return {"rate_limit": "none"}
    shared = rule.group if rule.group in get_rates() else f"{get_info(route).limit}, for this route alone"
    return {"rate_limit": shared, "rate_limit_settings": _limit_settings(route)}


def _limit_settings(route: BaseRoute) -> list[str]:
    rule = get_rate_limit_rule(route)
    if rule is None:
        return []
    declared = get_rates().get(rule.group)
    return [*(settings_read_by(declared) if declared else ()), "RATE_LIMIT_SCALE"]


def _idempotency(route: BaseRoute) -> str | None:
    if not isinstance(route, APIRoute) or "POST" not in (route.methods or ()):
        return None
    declared = get_info(route).idempotency
    if isinstance(declared, Exempt):
        return f"ignored: {declared.reason}"
    if not stores_keys():
        return "ignored: DISABLED_MODULES contains idempotency"
    stored = "; the response is never stored" if is_secret(route) else ""
    return f"{get_idempotency_mode(route).value}{stored}"


def _audit(info: RouteInfo) -> Facts:
    match info.audit:
        case Audit() as audit:
            return {
                "audit": list(audit.actions),
                "audit_optional": [*audit.optional, *audit.repeatable],
                "audit_on_failure": list(audit.on_failure),
                "audit_none_when": audit.none_when,
            }
        case Exempt(reason=reason):
            return {"audit": f"none: {reason}"}
    return {}


def _extra_fields(route: BaseRoute) -> Iterator[Reference]:
    """The fields that extensions add to the bodies of a route."""
    schemas = current_context().find(ExtendedSchemas)
    if not schemas or not isinstance(route, APIRoute):
        return
    bodies = [route.response_model, getattr(getattr(route.body_field, "field_info", None), "annotation", None)]
    used = {each for body in bodies for each in schemas.find(body)}
    for extensible in get_registry().extensible:
        names = {name for each in used.intersection(extensible.schemas) for name in schemas[each].model_fields}
        fields = get_registry().entity_fields.get(extensible.entity)
        for declared in fields.declared if fields else ():
            for name in filter(names.__contains__, declared.declared_names()):
                yield Reference(f"{name} ({owner_of(declared)})", locate(locate_field(declared, name)))


def _resources_by_endpoint() -> Mapping[Any, type[Resource[Any]]]:
    pairs = (pair for module in get_registry().modules for pair in resource_routers(module).items())
    return {getattr(route, "endpoint", None): resource for resource, router in pairs for route in router.routes}


def _calls(route: BaseRoute, endpoint: Any, resource: type[Resource[Any]] | None) -> Facts:
    """What the endpoint calls, what it depends on, and which methods of the resource are overridden."""
    rule = get_rate_limit_rule(route)
    facts: Facts = {
        "rate_in_force": str(rule.rate) if rule else None,
        "settings_in_force": state_settings(_limit_settings(route)),
        "calls": list(_service_calls(endpoint, resource)),
    }
    if isinstance(route, (APIRoute, APIWebSocketRoute)):
        _ = getattr(route, "dependant", None)
        calls = [call for call in islice(dependency_calls(route), 1, None) if callable(call)]
        facts["depends_on"] = list({(each := refer(call)).location: each for call in calls}.values())
    if resource is not None:
        own = [name for name in vars(resource) if callable(getattr(Resource, name, None)) and name[0] != "_"]
        facts["overridden_steps"] = [
            *(refer(getattr(resource, name)) for name in own if name not in _DERIVED),
            *(refer(method) for _, method in overridden_methods(resource, _replacement(resource))),
        ]
    return facts


def _replacement(service: type[Any]) -> type[Any]:
    """The class that the application creates instead of this one: an override of an extension, or the class itself."""
    found: type[Any] = get_registry().overrides.get(service, service)
    return found


_DERIVED = frozenset({"repository", "not_found", "create_schema", "update_schema", "read_schema"})


def _service_calls(endpoint: Callable[..., Any], resource: Any) -> Iterator[Reference]:
    """The methods that an endpoint calls on its parameters, and on objects that it creates; overrides come first."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(endpoint)))
        hints = get_type_hints(endpoint)
    except (OSError, TypeError, NameError, SyntaxError):
        return
    seen = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = _class_of(node.func.value, hints, endpoint, resource)
            for each in (_replacement(owner), owner) if owner else ():
                method = inspect.getattr_static(each, node.func.attr, None)
                if inspect.isfunction(method) and method.__qualname__ not in seen:
                    seen.add(method.__qualname__)
                    yield refer(method)


def _class_of(node: ast.expr, hints: Mapping[str, Any], endpoint: Any, resource: Any) -> type | None:
    """The class of a parameter, of an attribute of one, of `Service(session)`, or of `self.resource(session)`."""
    found: Any = None
    match node:
        case ast.Name(id=name):
            found = hints.get(name)
        case ast.Attribute(value=value, attr=name) if owner := _class_of(value, hints, endpoint, resource):
            found = get_type_hints(owner).get(name)
        case ast.Call(func=ast.Name(id=name)):
            found = getattr(endpoint, "__globals__", {}).get(name)
        case ast.Call(func=function) if ast.unparse(function) == "self.resource":
            found = resource
    return found if isinstance(found, type) and found.__module__.partition(".")[0] not in _LIBRARIES else None


_LIBRARIES = frozenset({"builtins", "fastapi", "starlette", "pydantic", "uuid", "datetime"})
