"""Whether a route can widen access, declared at the route.

A stolen session must not become more than it is: what grants more than the caller verified when signing in asks for a
recent proof. Every route that changes something on behalf of a caller says which of three it is:

    dependencies=[require_step_up()]      always asks
    @step_up_when("the role rises")     the service asks, by `require_recent_authentication`, in these cases
    @step_up_exempt("It takes access away.")   never asks, and why that is safe
"""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi.routing import APIRoute

from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.guards import current_principal, recently_authenticated
from undercroft.core.http.same_site import SAFE_METHODS

F = TypeVar("F", bound=Callable[..., Any])


def step_up_when(case: str) -> Callable[[F], F]:
    """Declare when a route's service asks for a recent proof. Put it under the route's decorator."""
    return _declare("__step_up_when__", case)


def step_up_exempt(reason: str) -> Callable[[F], F]:
    """Declare why nobody can do more after a request than before. Put it under the route's decorator."""
    return _declare("__step_up_exempt__", reason)


def declares_step_up(route: APIRoute) -> bool:
    """Whether a route says if it widens access; a test asks this of every one.

    A route without a principal verifies what the request itself carries, such as a password or a mailed token.
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
        raise ValueError("Say when a proof is required, or why nothing is granted.")

    def mark(endpoint: F) -> F:
        setattr(endpoint, name, text)
        return endpoint

    return mark
