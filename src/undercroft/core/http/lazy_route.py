"""Routes that are completed on their first request.

FastAPI takes a millisecond to read an endpoint's signature and to build its validators. Most routes of a process are
not used in its first minute, so this work is deferred to the first use.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any
from warnings import catch_warnings, simplefilter

from fastapi.exceptions import FastAPIError
from fastapi.routing import APIRoute
from pydantic import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.routing import get_name

from undercroft.core.errors import CodeError
from undercroft.core.http._fastapi import rebuild_validators

_CONVERTOR = re.compile(r":\w+(?=})")


class LazyRoute(APIRoute):
    """An `APIRoute` that only knows its path until it is first used.

    Errors in a declaration are found then, or by `complete`, which development calls at startup.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.path = path
        self.path_format = _CONVERTOR.sub("", path)
        self.endpoint = endpoint
        self.name = str(options.get("name") or get_name(endpoint))
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        self.tags = options.get("tags") or []
        self.operation_id = options.get("operation_id")
        self.include_in_schema = options.get("include_in_schema", True)
        self.dependency_overrides_provider = options.get("dependency_overrides_provider")
        self._options: dict[str, Any] | None = options

    @property
    def declared_dependencies(self) -> Sequence[Any]:
        """The `dependencies` of the router and the route; empty after the route is complete."""
        return (self._options or {}).get("dependencies") or ()

    def complete(self) -> None:
        """Complete the route. Raises `CodeError` if its declaration is invalid."""
        options = self.__dict__.get("_options")
        if options is None:
            return
        self._options = None
        given = {name: self.__dict__[name] for name in ("operation_id", "dependency_overrides_provider")}
        try:
            super().__init__(self.path, self.endpoint, **(options | given))
        except (FastAPIError, AssertionError, TypeError) as error:
            reason = str(error).split("\n", 1)[0]
            raise CodeError(f"{self.path}: {reason}", at=self.endpoint) from error
        with catch_warnings():
            # FastAPI suppresses this warning for its own adapters, but these are built later than it expects.
            simplefilter("ignore", UnsupportedFieldAttributeWarning)
            self._rebuild_validators()

    def _rebuild_validators(self) -> None:
        try:
            rebuild_validators(self)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            reason = str(error).split("\n", 1)[0]
            message = f"{self.path}: {reason}. Import it where the route is declared."
            raise CodeError(message, at=self.endpoint) from error

    def __getattr__(self, name: str) -> Any:
        """Complete the route on the first access to a missing attribute."""
        if self.__dict__.get("_options") is None:
            raise AttributeError(name)
        self.complete()
        return getattr(self, name)
