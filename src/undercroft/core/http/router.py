"""The router of all modules: it knows its surface, and a surface knows its guard."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Depends

from undercroft.core.auth.principal import PlatformRole
from undercroft.core.http.guards import current_principal, refuse_api_keys, require_role, use_all_tenants
from undercroft.core.http.lazy_route import LazyRoute


class Surface(StrEnum):
    """Where routes live and who reaches them."""

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
    """An `APIRouter` that declares its surface: `app` routes need a principal, `admin` routes an administrator, and
    `auth` routes are closed to API keys.

    The guard is put in front of every route, so that one without it cannot be written:

        router = Router(surface="app", prefix="/projects", tag="Projects")

    A route on `app` declares the permission that it needs by `require_permission`. Routes that are about whoever asks
    say `self_only` instead, or `team_independent` when they are not about the current team either. A test walks all
    routes.

    `root` is for pages and well-known documents outside `/api`; such a router's routes stay out of the schema unless
    it says `include_in_schema=True`.

    A team may close itself to sessions without a second factor. Personal routes stay open then, as those of other
    surfaces do.
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
