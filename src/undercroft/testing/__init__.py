"""Test fixtures with a real PostgreSQL and Valkey, also for projects and extensions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from undercroft.testing.components import add_declarations, replace_component

if TYPE_CHECKING:
    from undercroft.testing.attack import Attack, IdFactory, Owner, new_row
    from undercroft.testing.jobs import CapturedJobs
    from undercroft.testing.lifespan import run_lifespan
    from undercroft.testing.users import SignedInUser, create_signed_in_user, make_client
    from undercroft.testing.websockets import connect_websocket

__all__ = [
    "Attack",
    "CapturedJobs",
    "IdFactory",
    "Owner",
    "SignedInUser",
    "add_declarations",
    "connect_websocket",
    "create_signed_in_user",
    "make_client",
    "new_row",
    "replace_component",
    "run_lifespan",
]

_HOMES = {"CapturedJobs": "jobs", "connect_websocket": "websockets", "run_lifespan": "lifespan"} | dict.fromkeys(
    ("SignedInUser", "create_signed_in_user", "make_client"), "users"
)


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: pytest loads this package in every run."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'attack')}"), name)
