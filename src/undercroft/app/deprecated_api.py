"""What the application deprecates in its own API: routes, parameters and fields."""

from collections.abc import Iterator
from datetime import date

from msgspec import Struct
from starlette.routing import BaseRoute

from undercroft.app.explain.routes import route_title
from undercroft.core.context import use_context
from undercroft.core.http import get_info
from undercroft.core.http.application import Api
from undercroft.core.http.deprecated_inputs import find_deprecated_fields
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.versions import path_of, with_version


class ApiDeprecation(Struct, frozen=True):
    """A deprecated route, or parameter or field of one. Without a `sunset`, it has no date of removal."""

    route: str
    text: str
    sunset: date | None

    @property
    def message(self) -> str:
        return f"{self.route}: {self.text}"


def list_api_deprecations(app: Api) -> list[ApiDeprecation]:
    """Return all deprecations of an API, in the order of their paths."""
    with use_context(app.context):
        routes = sorted(app.router.routes, key=lambda each: (path_of(each), route_title(each)))
        return [found for route in routes for found in _deprecations_of(route)]


def _deprecations_of(route: BaseRoute) -> Iterator[ApiDeprecation]:
    title, info = route_title(route), get_info(route)
    if info.deprecation is not None:
        successor = with_version(path_of(route), info.successor) if info.successor else None
        yield ApiDeprecation(title, info.deprecation.describe(successor), info.deprecation.sunset)
    if isinstance(route, LazyRoute):
        route.complete()
    for each in find_deprecated_fields(route):
        yield ApiDeprecation(title, each.describe(), each.deprecation.sunset if each.deprecation else None)
