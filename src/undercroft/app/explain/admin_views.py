"""Describes the views of `/admin`."""

import re
from collections.abc import Iterator
from typing import Any

from undercroft.app.explain.description import Description, Facts, Reference, owner_of, refer, summarize, without_empty
from undercroft.app.registry import get_registry
from undercroft.core.auth import PlatformRole
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import AdminComponents
from undercroft.core.telemetry.origin import locate

USE_CASES = ("create_row", "update_row", "delete_row")


def describe_admin_views() -> Iterator[Description]:
    """Describe the views in the order of the modules; none without the module `admin` or its packages."""
    for view in _views():
        yield _describe(view)


def find_admin_views(text: str) -> Iterator[Description]:
    """Describe the view that serves a path, as in `GET /admin/user/list`."""
    match = re.search(r"(?:^|\s|//[^/]+)/admin/([\w-]+)(?:[/?]|$)", text.strip())
    yield from (each for each in describe_admin_views() if match and each.name == f"/admin/{match[1]}")


def _views() -> list[Any]:
    registry = get_registry()
    if "admin" not in [module.name for module in registry.modules]:
        return []
    try:
        components: AdminComponents = registry.admin
    except ConfigurationError:
        return []
    return components.views


def _describe(view: Any) -> Description:
    """Describe a view. One that a resource declares has the location of the resource."""
    resource = getattr(view, "resource", None)
    at = resource or view
    fields = list(view.schema.model_fields) if view.schema is not None else []
    facts: Facts = {
        "module": owner_of(at),
        "path": f"/admin/{view.identity}/list",
        "resource": [refer(resource)] if resource else None,
        "table": str(view.model.__tablename__),
        "model": [refer(view.model)],
        "role": PlatformRole.ADMIN.value,
        "columns": [str(getattr(each, "key", each)) for each in view.column_list],
        "editable_fields": fields,
        "create": bool(view.can_create),
        "delete": bool(view.can_delete),
        "use_cases": _use_cases(view) if fields or view.can_create or view.can_delete else None,
    }
    summary = summarize(at) or f"The rows of {view.model.__tablename__}."
    return Description(
        "admin view",
        f"/admin/{view.identity}",
        locate(at),
        summary,
        without_empty(facts),
        (str(view.identity), view.__name__),
    )


def _use_cases(view: Any) -> list[Reference]:
    """The methods that change rows, those of the view itself or of its base."""
    changes = {"create_row": view.can_create, "update_row": view.schema is not None, "delete_row": view.can_delete}
    return [refer(getattr(view, name)) for name in USE_CASES if changes[name]]
