"""Routes that are worked out at their first request.

FastAPI takes a millisecond to read an endpoint's signature and to build validators for what goes in and comes out. Most
of what a process starts with is not asked for in its first minute, so that is left until somebody asks.
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
    """An `APIRoute` that knows its address at once and everything else when it is first looked at.

    What is wrong with a declaration is found then, or by `complete`, which development calls at start.
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
        """What the router and the route list as `dependencies`, while the route is not complete; then nothing."""
        return (self._options or {}).get("dependencies") or ()

    def complete(self) -> None:
        """Work out what has not been yet. Raises `CodeError` for a wrong declaration."""
        options = self.__dict__.get("_options")
        if options is None:
            return
        self._options = None
        given = {name: self.__dict__[name] for name in ("operation_id", "dependency_overrides_provider")}
        try:
            super().__init__(self.path, self.endpoint, **(options | given))
        except (FastAPIError, AssertionError, TypeError) as error:
            said = str(error).split("\n", 1)[0]
            raise CodeError(f"{self.path}: {said}", at=self.endpoint) from error
        with catch_warnings():
            # FastAPI keeps this from being said of its own adapters, but these build later than it expects.
            simplefilter("ignore", UnsupportedFieldAttributeWarning)
            self._rebuild_validators()

    def _rebuild_validators(self) -> None:
        try:
            rebuild_validators(self)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            said = str(error).split("\n", 1)[0]
            raise CodeError(f"{self.path}: {said}. Import it where the route is declared.", at=self.endpoint) from error

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there yet."""
        if self.__dict__.get("_options") is None:
            raise AttributeError(name)
        self.complete()
        return getattr(self, name)
