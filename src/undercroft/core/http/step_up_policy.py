"""Reauthentication policy of routes that may widen access, declared at the route.

A stolen session must not gain more access than it has: granting more requires a recent reauthentication. Every route
that changes data on behalf of a caller declares one of three policies:

    dependencies=[require_step_up()]            always required
    @step_up_when("the role rises")             the service requires it in these cases (`require_recent_authentication`)
    @step_up_exempt("It takes access away.")    never required, with the reason why that is safe
"""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi.routing import APIRoute

from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.guards import current_principal, recently_authenticated
from undercroft.core.http.same_site import SAFE_METHODS

F = TypeVar("F", bound=Callable[..., Any])


def step_up_when(case: str) -> Callable[[F], F]:
    """Declare when a route's service requires a recent reauthentication. Put it under the route's decorator."""
    return _declare("__step_up_when__", case)


def step_up_exempt(reason: str) -> Callable[[F], F]:
    """Declare why a route grants no access. Put it under the route's decorator."""
    return _declare("__step_up_exempt__", reason)


def declares_step_up(route: APIRoute) -> bool:
    """Whether a route declares its policy; a test checks every route.

    A route without a principal verifies the credentials in the request itself, such as a password or an emailed token.
    """
    if not set(route.methods or ()) - SAFE_METHODS or not depends_on(route, current_principal):
        return True
    declared = (
        depends_on(route, recently_authenticated),
        hasattr(route.endpoint, "__step_up_when__"),
        hasattr(route.endpoint, "__step_up_exempt__"),
    )
    return declared.count(True) == 1


def _declare(name: str, text: str) -> Callable[[F], F]:
    if not text:
        raise ValueError("State when reauthentication is required, or why no access is granted.")

    def mark(endpoint: F) -> F:
        setattr(endpoint, name, text)
        return endpoint

    return mark
