"""Routes that are completed on their first request, read strict JSON and honor `Idempotency-Key`.

FastAPI takes a millisecond to read an endpoint's signature and to build its validators. Most routes of a process are
not used in its first minute, so this work is deferred to the first use. For 147 routes that is 0.15 s of each start,
and 15% of the import figure in `make bench` (CPU time, CPython 3.11).
"""

import re
from collections.abc import Callable
from types import FunctionType
from typing import Any
from warnings import catch_warnings, filterwarnings

from fastapi.datastructures import Default
from fastapi.exceptions import FastAPIError
from fastapi.routing import APIRoute
from fastapi.utils import generate_unique_id
from pydantic import PydanticUndefinedAnnotation, PydanticUserError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import get_name

from undercroft.core.errors import CodeError
from undercroft.core.http._fastapi import rebuild_validators
from undercroft.core.http.body import JsonRequest
from undercroft.core.http.deprecated_inputs import (
    DeprecatedInput,
    find_deprecated_inputs,
    report_deprecated_inputs,
)
from undercroft.core.http.idempotency import IdempotencyMode, RouteHandler, get_idempotency_mode, has_key, is_secret
from undercroft.core.http.route_info import UNDECLARED, RouteInfo

_CONVERTOR = re.compile(r":\w+(?=})")


class LazyRoute(APIRoute):
    """An `APIRoute` that only knows its path until it is first used.

    Errors in a declaration are found then, or by `complete`, which development calls at startup.
    """

    info: RouteInfo = UNDECLARED

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
        self.generate_unique_id_function = options.get("generate_unique_id_function", Default(generate_unique_id))
        self.max_body_size = options.get("max_body_size")
        self._options = options
        self._function = endpoint
        self._is_complete = False

    def replace_schemas(self, replace: Callable[[Any], Any]) -> bool:
        """Read and return other schemas, those that `replace` returns for an annotation; whether any is another one.

        The endpoint is called as before: FastAPI reads the schemas from a copy of the function.
        """
        function = _replace_annotations(self.endpoint, replace)
        given = self._options.get("response_model")
        response_model = replace(given)
        if function is self.endpoint and response_model is given:
            return False
        self._function, self._is_complete = function, False
        if response_model is not given:
            self._options = {**self._options, "response_model": response_model}
        return True

    def complete(self) -> None:
        """Complete the route. Raises `CodeError` if its declaration is invalid."""
        if self.__dict__.get("_is_complete", True):
            return
        self._is_complete = True
        given = {name: self.__dict__[name] for name in ("operation_id", "dependency_overrides_provider")}
        endpoint = self.endpoint
        try:
            super().__init__(self.path, self._function, **(self._options | given))
            self.endpoint = endpoint
        except (FastAPIError, AssertionError, TypeError) as error:
            reason = str(error).split("\n", 1)[0]
            raise CodeError(f"{self.path}: {reason}", at=self.endpoint) from error
        with catch_warnings():
            # FastAPI suppresses this warning for its own adapters, but these are built later than it expects.
            filterwarnings("ignore", "The '.+' attribute with value", UserWarning)
            self._rebuild_validators()

    def get_route_handler(self) -> RouteHandler:
        """FastAPI's handler; requests with `Idempotency-Key` have another one, which is built on the first of them."""
        plain = self.build_handler()
        if get_idempotency_mode(self) is IdempotencyMode.IGNORED:
            return plain
        idempotent: RouteHandler | None = None

        async def handle(request: Request) -> Response:
            nonlocal idempotent
            if not has_key(request):
                return await plain(request)
            if idempotent is None:
                from undercroft.core.http.idempotency.attempt import add_claim_dependency, make_idempotent

                idempotent = make_idempotent(add_claim_dependency(self).build_handler(), secret=is_secret(self))
            return await idempotent(request)

        return handle

    def build_handler(self) -> RouteHandler:
        """The handler of the route's class, with strict JSON."""
        inner = super().get_route_handler()
        if deprecated := find_deprecated_inputs(self):
            inner = _report_use(inner, deprecated)

        async def handle(request: Request) -> Response:
            request.__class__ = JsonRequest  # not a new request: an exception handler may read the body of this one
            # Files are closed with the other resources of the request, which saves the stack of FastAPI's middleware.
            request.scope["fastapi_middleware_astack"] = request.scope["fastapi_inner_astack"]
            return await inner(request)

        return handle

    def _rebuild_validators(self) -> None:
        try:
            rebuild_validators(self)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            reason = str(error).split("\n", 1)[0]
            message = f"{self.path}: {reason}. Import it where the route is declared."
            raise CodeError(message, at=self.endpoint) from error

    def __getattr__(self, name: str) -> Any:
        """Complete the route on the first access to a missing attribute."""
        if self.__dict__.get("_is_complete", True):
            raise AttributeError(name)
        self.complete()
        return getattr(self, name)


def _report_use(inner: RouteHandler, deprecated: list[DeprecatedInput]) -> RouteHandler:
    """The handler with reports of the deprecated inputs of each request, whose body it has read at the end."""

    async def handle(request: Request) -> Response:
        try:
            return await inner(request)
        finally:
            report_deprecated_inputs(request, deprecated)

    return handle


def _replace_annotations(function: Callable[..., Any], replace: Callable[[Any], Any]) -> Callable[..., Any]:
    """A copy of the function with other annotations; the function itself if `replace` returns all of them unchanged."""
    if not isinstance(function, FunctionType):
        return function
    annotations = {name: replace(annotation) for name, annotation in function.__annotations__.items()}
    if all(annotations[name] is annotation for name, annotation in function.__annotations__.items()):
        return function
    copied = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copied.__kwdefaults__, copied.__annotations__, copied.__doc__ = (
        function.__kwdefaults__,
        annotations,
        function.__doc__,
    )
    return copied


_LAZY_CLASSES: dict[type[APIRoute], type[LazyRoute]] = {APIRoute: LazyRoute}


def lazy_route_class(base: type[APIRoute]) -> type[LazyRoute]:
    """A `LazyRoute` with the behavior of another class of routes."""
    if issubclass(base, LazyRoute):
        return base
    if base not in _LAZY_CLASSES:
        _LAZY_CLASSES[base] = type(base.__name__, (LazyRoute, base), {})
    return _LAZY_CLASSES[base]
