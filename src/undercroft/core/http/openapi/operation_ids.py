"""Operation IDs such as `projects.list`, from which generators make the names of a client's methods."""

import re
from collections.abc import Iterable

from fastapi.routing import APIRoute

from undercroft.core.errors import CodeError


def operation_id(route: APIRoute) -> str:
    """The operation ID: `projects.list` for `list_projects` with the tag Projects.

    The name of the tag is omitted wherever it is in the name of the function: `users.list_sessions` for
    `list_user_sessions`.
    """
    tag = re.sub(r"[^a-z0-9]+", "_", str(route.tags[0]).lower()).strip("_") if route.tags else ""
    if not tag:
        return route.name
    noun = "|".join(_noun_forms(tag))
    return f"{tag}.{re.sub(rf'_({noun})(?=_|$)', '', route.name, count=1)}"


def require_unique_ids(routes: Iterable[APIRoute]) -> None:
    """Raise `CodeError` if two operations have the same ID."""
    seen: dict[str, str] = {}
    for route in routes:
        name = route.operation_id or route.unique_id
        where = f"{'/'.join(sorted(route.methods or ()))} {route.path_format}"
        if name in seen:
            message = f"{seen[name]} and {where} have the same operation id {name!r}. Rename one of the functions."
            raise CodeError(message, at=route.endpoint)
        seen[name] = where


def _noun_forms(noun: str) -> tuple[str, ...]:
    """The plural and possible singulars of a tag: `boxes`, `box`; `entries`, `entry`."""
    return noun, noun.removesuffix("s"), noun.removesuffix("es"), f"{noun.removesuffix('ies')}y"
