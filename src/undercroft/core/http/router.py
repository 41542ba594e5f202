"""The router class of all modules, which declares its surface and adds the surface's guards."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Depends

from undercroft.core.auth.principal import PlatformRole
from undercroft.core.http.guards import current_principal, refuse_api_keys, require_role, use_all_tenants
from undercroft.core.http.lazy_route import LazyRoute


class Surface(StrEnum):
    """Groups of routes with a common URL prefix and guard."""

    PUBLIC = "public"
    AUTH = "auth"
    APP = "app"
    ADMIN = "admin"
    ROOT = "root"

    @property
    def prefix(self) -> str:
        return "" if self is Surface.ROOT else f"/api/v1/{self.value}"

    @property
    def guards(self) -> list[Any]:
        match self:
            case Surface.APP:
                return [Depends(current_principal)]
            case Surface.AUTH:
                return [Depends(refuse_api_keys)]
            case Surface.ADMIN:
                return [require_role(PlatformRole.ADMIN), Depends(use_all_tenants)]
            case _:
                return []


class Router(APIRouter):
    """An `APIRouter` that declares its surface: `app` routes require a principal, `admin` routes an administrator, and
    `auth` routes refuse API keys.

    The guard is added to every route, so that a route without it cannot be written:

        router = Router(surface="app", prefix="/projects", tag="Projects")

    A route on `app` declares its permission by `require_permission`. Routes about the current user set `self_only`
    instead, or `team_independent` if they do not depend on the current team either. A test checks all routes.

    `root` is for pages and well-known documents outside `/api`; its routes are not in the OpenAPI schema unless the
    router sets `include_in_schema=True`.

    A team may require a second factor. Team-independent routes and other surfaces stay available to sessions without
    one.
    """

    def __init__(
        self,
        *,
        surface: str,
        prefix: str = "",
        tag: str | None = None,
        self_only: bool = False,
        team_independent: bool = False,
        **kwargs: Any,
    ) -> None:
        self.surface = Surface(surface)
        self.self_only = self_only
        self.team_independent = team_independent or self.surface is not Surface.APP
        super().__init__(
            prefix=self.surface.prefix + prefix,
            tags=[tag] if tag else None,
            dependencies=[*self.surface.guards, *kwargs.pop("dependencies", [])],
            route_class=LazyRoute,
            include_in_schema=kwargs.pop("include_in_schema", self.surface is not Surface.ROOT),
            **kwargs,
        )

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        endpoint.__team_independent__ = self.team_independent  # type: ignore[attr-defined]
        endpoint.__no_impersonation__ = self.surface in (Surface.AUTH, Surface.ADMIN)  # type: ignore[attr-defined]
        endpoint.__self_only__ = self.self_only or self.team_independent  # type: ignore[attr-defined]
        super().add_api_route(path, endpoint, **kwargs)
