"""Schemas that differ between applications: those of entities to which extensions add fields.

The schemas of a module are the same in all applications. Each application replaces some in its routes, and a route that
creates a response itself asks for the current one: `extended(TeamRead)(…)`.
"""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel

from undercroft.core.context import current_context
from undercroft.core.http.query import replace_model

S = TypeVar("S", bound=BaseModel)


class ExtendedSchemas(dict[type[BaseModel], type[BaseModel]]):
    """The schemas of an application with extra fields, by the schema of the module that they replace.

    A subclass of such a schema has the fields too, except in routes.
    """

    def __missing__(self, schema: type[BaseModel]) -> type[BaseModel]:
        base = next((each for each in schema.__mro__[1:] if each in self), None)
        if base is None or issubclass(schema, self[base]):
            self[schema] = schema
        else:
            self[schema] = type(schema.__name__, (schema, self[base]), {"__module__": schema.__module__})
        return self[schema]

    def replace(self, annotation: Any) -> Any:
        """The annotation with these schemas; itself if it has none of them."""
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.get(annotation) or self._replace_generic(annotation)
        arguments = get_args(annotation)
        replaced = tuple(map(self.replace, arguments))
        if all(new is old for new, old in zip(replaced, arguments, strict=True)):
            return annotation
        origin: Any = get_origin(annotation)
        if origin is Annotated:
            return Annotated[(replaced[0], *(replace_model(each, self.replace) for each in arguments[1:]))]
        if origin in (Union, UnionType):
            return Union[replaced]  # noqa: UP007 - of a tuple
        return origin[replaced]

    def find(self, annotation: Any) -> Iterator[type[BaseModel]]:
        """The schemas of which an annotation has the replacement."""
        yield from (schema for schema, replacement in self.items() if replacement is annotation is not schema)
        generic = getattr(annotation, "__pydantic_generic_metadata__", {"args": get_args(annotation)})
        for argument in generic["args"]:
            yield from self.find(argument)

    def _replace_generic(self, model: type[BaseModel]) -> Any:
        """`Page[ProjectRead]` with another schema."""
        generic = model.__pydantic_generic_metadata__
        arguments = generic["args"]
        replaced = tuple(map(self.replace, arguments))
        if all(new is old for new, old in zip(replaced, arguments, strict=True)):
            return model
        origin: Any = generic["origin"]
        return origin[replaced]


def extended(schema: type[S]) -> type[S]:
    """The schema of the current application that replaces this one, or this one."""
    found = current_context().find(ExtendedSchemas)
    return cast("type[S]", found[schema]) if found else schema
