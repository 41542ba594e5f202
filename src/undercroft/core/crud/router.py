"""The routes of a resource."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request, Response

from undercroft.core.crud.repository import Row
from undercroft.core.crud.resource import ReferenceNotFound, Resource
from undercroft.core.crud.schemas import build_query
from undercroft.core.db import ReadSessionDep, SessionDep, SoftDeleted, Versioned
from undercroft.core.db.repository import UnknownSort
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.http import Audit, CurrentPrincipal, IfMatch, Page, Router, Tag, etag, json_response
from undercroft.core.http.conditional import InvalidIfMatch
from undercroft.core.http.extended_schemas import extended
from undercroft.core.http.pagination import InvalidCursor, page_response
from undercroft.core.http.query import query

ETAG_HEADER: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The version.", "schema": {"type": "string"}}}}
}


def crud_router(resource: type[Resource[Any]]) -> Router:
    """A router with the routes of a resource: list, create, read, update, delete and, if it can be, restore."""
    routes = ResourceRoutes(resource)
    routes.add_list()
    routes.add_create()
    routes.add_read()
    routes.add_update()
    routes.add_delete()
    if issubclass(resource.model, SoftDeleted):
        routes.add_restore()
    return routes.router


class ResourceRoutes:
    """Adds the routes of a resource to its router."""

    def __init__(self, resource: type[Resource[Any]]) -> None:
        self.resource = resource
        self.noun, self.things = (name.replace("_", " ") for name in (resource.noun, resource.plural))
        self.a_noun = f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"
        self.one = f"/{{{resource.noun}_id}}"
        self.responses = ETAG_HEADER if issubclass(resource.model, Versioned) else None
        self.references = (ReferenceNotFound,) if resource.references else ()
        self.router = Router(surface="app", prefix=resource.path(), tag=build_tag(resource))

    def add_list(self) -> None:
        parameters = build_query(self.resource.model, self.resource.filters, self.resource.sortable)

        async def list_rows(query: Any, principal: CurrentPrincipal, session: ReadSessionDep) -> Response:
            rows = await self.resource(session, principal).list(query.paging, query.filters)
            names = self._returned_names()
            return page_response(rows.map(lambda row: {name: row[name] for name in names}))

        self._add(
            *("GET", "", "list", list_rows),
            {"query": Annotated[parameters, query(parameters)]},
            f"Returns the team's {self.things}, newest first unless `sort` is given.",
            name=f"list_{self.resource.plural}",
            response_model=Page[self.resource.read_schema],  # type: ignore[name-defined]
            summary=f"List the team's {self.things}",
            errors=(UnknownSort, InvalidCursor),
        )

    def add_create(self) -> None:
        async def create(request: Request, body: Any, principal: CurrentPrincipal, session: SessionDep) -> Response:
            row = await self.resource(session, principal).create(body)
            location = f"{request.scope['path']}/{row['id']}"
            return self._respond(row, status=201, headers={"Location": location})

        self._add(
            *("POST", "", "create", create),
            {"body": self.resource.create_schema},
            f"Creates {self.a_noun} of the current team.",
            audit=f"{self.resource.noun}.created",
            status_code=201,
            errors=self.references,
        )

    def add_read(self) -> None:
        async def read(key: UUID, principal: CurrentPrincipal, session: ReadSessionDep) -> Response:
            return self._respond(await self.resource(session, principal).read(key))

        self._add(
            *("GET", self.one, "get", read),
            {},
            f"Returns {self.a_noun}" + (" with its version as the ETag." if self.responses else "."),
            name=f"read_{self.resource.noun}",
            responses=self.responses,
            errors=(self.resource.not_found,),
        )

    def add_update(self) -> None:
        async def update(
            key: UUID, body: Any, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch
        ) -> Response:
            return self._respond(await self.resource(session, principal).update(key, body, versions=versions))

        self._add(
            *("PATCH", self.one, "update", update),
            {"body": self.resource.update_schema},
            f"Changes only the given fields. With `If-Match`, fails if the {self.noun} has changed since that version.",
            audit=Audit(f"{self.resource.noun}.changed", none_when="nothing changed"),
            responses=self.responses,
            errors=(self.resource.not_found, Conflict, PreconditionFailed, InvalidIfMatch, *self.references),
        )

    def add_delete(self) -> None:
        async def delete(key: UUID, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch) -> None:
            await self.resource(session, principal).delete(key, versions=versions)

        restorable = ", which can be restored" if issubclass(self.resource.model, SoftDeleted) else ""
        self._add(
            *("DELETE", self.one, "delete", delete),
            {},
            f"Deletes {self.a_noun}{restorable}. With `If-Match`, fails if it has changed since that version.",
            audit=f"{self.resource.noun}.deleted",
            status_code=204,
            response_model=None,
            errors=(self.resource.not_found, PreconditionFailed, InvalidIfMatch),
        )

    def add_restore(self) -> None:
        async def restore(key: UUID, principal: CurrentPrincipal, session: SessionDep) -> Response:
            return self._respond(await self.resource(session, principal).restore(key))

        self._add(
            *("POST", f"{self.one}/restore", "restore", restore),
            {},
            f"Restores a deleted {self.noun}.",
            summary=f"Restore a deleted {self.noun}",
            audit=f"{self.resource.noun}.restored",
            responses=self.responses,
            errors=(self.resource.not_found,),
        )

    def _add(
        self,
        method: str,
        path: str,
        verb: str,
        endpoint: Callable[..., Any],
        annotations: dict[str, Any],
        description: str,
        **options: Any,
    ) -> None:
        resource = self.resource
        path_parameter = Path(alias=f"{resource.noun}_id", description=f"ID of the {self.noun}.")
        if "key" in endpoint.__annotations__:
            annotations["key"] = Annotated[UUID, path_parameter]
        endpoint.__annotations__.update(annotations)
        endpoint.__doc__ = description
        options = {
            "name": f"{verb}_{resource.noun}",
            "summary": f"{verb.capitalize()} {self.a_noun}",
            "permission": f"{resource.plural}:{'read' if method == 'GET' else 'write'}",
            "response_model": resource.read_schema,
            **options,
        }
        self.router.add_api_route(path, endpoint, methods=[method], **options)

    def _returned_names(self) -> Iterable[str]:
        return extended(self.resource.read_schema).model_fields

    def _respond(self, row: Row, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        headers = dict(headers or {})
        if self.responses:
            headers["ETag"] = etag(row["version"])
        body = {name: row[name] for name in self._returned_names()}
        return json_response(body, status=status, headers=headers)


def build_tag(resource: type[Resource[Any]]) -> Tag:
    """The tag of the routes: the plural, and the first line of the class's docstring."""
    name = resource.plural.replace("_", " ").capitalize()
    return Tag(name, (resource.__doc__ or "").strip().split("\n", 1)[0], group=resource.group)
