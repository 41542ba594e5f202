"""Finding the route of a request by look-up instead of by trying every route in turn, a microsecond each.

FastAPI's own search stays for everything unusual: unknown paths, other methods, mounts, slashes to redirect. A look-up
answers only where that search would have found the same route.
"""

from collections.abc import Sequence
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """An `APIRoute`; one whose function takes nothing and makes its own `Response` is answered without ceremony."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if _takes_nothing(self.dependant) and self.response_class_is_own:
            self.app = _answered_by(self.endpoint)

    @property
    def response_class_is_own(self) -> bool:
        returned = getattr(self.endpoint, "__annotations__", {}).get("return")
        return isinstance(returned, type) and issubclass(returned, Response)


def _takes_nothing(dependant: Dependant) -> bool:
    asked = (
        dependant.dependencies,
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.cookie_params,
        dependant.body_params,
        dependant.request_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    return not any(asked)


def _answered_by(endpoint: Any) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = await endpoint()
        await response(scope, receive, send)

    return app


class RouteIndex:
    """Stands before a router's own search: `router.middleware_stack = RouteIndex(router)`.

    Made anew when routes were added since.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known: Sequence[BaseRoute] = ()
        self._fixed: dict[tuple[str, str], APIRoute] = {}
        self._open: dict[str, list[APIRoute]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if len(self._known) != len(self._router.routes):
                self._learn(list(self._router.routes))
            found = self._find(scope)
            if found is not None:
                route, matched = found
                scope["router"] = self._router
                scope.update(matched)
                await route.handle(scope, receive, send)
                return
        await self._router.app(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[APIRoute, Scope] | None:
        if scope.get("root_path") or "fastapi.telemetry" in scope:
            return None
        path: str = scope["path"]
        route = self._fixed.get((scope["method"], path))
        candidates = self._candidates(path) if route is None else (route,)
        for candidate in candidates:
            match, matched = candidate.matches(scope)
            if match is Match.FULL:
                return candidate, matched
        return None

    def _candidates(self, path: str) -> Sequence[APIRoute]:
        """The routes whose fixed beginning this path has, if all of them have the same one."""
        found: Sequence[APIRoute] = ()
        end = path.rfind("/")
        while end > 0:
            routes = self._open.get(path[: end + 1])
            if routes is not None:
                if found:
                    return ()
                found = routes
            end = path.rfind("/", 0, end)
        return found

    def _learn(self, routes: list[BaseRoute]) -> None:
        self._known = routes
        self._fixed, self._open = {}, {}
        others = [route for route in routes if not isinstance(route, APIRoute)]
        for position, route in enumerate(routes):
            if not isinstance(route, APIRoute):
                continue
            if "{" in route.path:
                beginning = route.path[: route.path.index("{")]
                if beginning.endswith("/") and not any(_reaches(other, beginning) for other in others):
                    self._open.setdefault(beginning, []).append(route)
                continue
            for method in route.methods or ():
                if not any(_takes(earlier, method, route.path) for earlier in routes[:position]):
                    self._fixed[method, route.path] = route


def _takes(route: BaseRoute, method: str, path: str) -> bool:
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
    return route.matches(scope)[0] is Match.FULL


def _reaches(route: BaseRoute, beginning: str) -> bool:
    """Whether a mount or plain route may take a path that begins so."""
    own = getattr(route, "path", "")
    fixed = own.partition("{")[0]
    return beginning.startswith(fixed) or fixed.startswith(beginning)
