"""Services that an extension may replace by a subclass, wherever the application creates them.

    class AcmeTeamService(TeamService):                      # overrides.py of an extension
        async def delete(self) -> None:
            await require_no_open_orders(self._session, self._principal.team_id)
            await super().delete()

    OVERRIDES = {TeamService: AcmeTeamService}

From then on this application creates an `AcmeTeamService` wherever its code creates a `TeamService`: in routes, pages,
tasks, commands and other services. Guards of routes (permission, step-up, rate limit, audit) do not change. Subclasses
may use the attributes `_session` and `_principal`; other private names may change in each release.
"""

from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from undercroft.core.context import current_context

__all__ = ["Overrides", "Service", "call_super"]

F = TypeVar("F", bound=Callable[..., Any])


class Overrides(dict[type["Service"], type["Service"]]):
    """The subclasses that replace services in one application, by the class that they replace."""


class Service:
    """Base of a service that extensions may override. Services that decide who a caller is do not inherit from it.

    Class methods and class attributes belong to the class that is named, so an override changes only methods.
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        overrides = current_context().find(Overrides)
        found = overrides.get(cls, cls) if overrides else cls
        return cast(Self, object.__new__(found))


def call_super(method: F) -> F:
    """Mark a method that checks access or records the change: an override must call it with `super()`."""
    method.__call_super__ = True  # type: ignore[attr-defined]
    return method
