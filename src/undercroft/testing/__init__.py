"""Tests of an application on a real PostgreSQL and Valkey, for this repository, projects and extensions.

The pytest plugin provides the fixtures; `pytest --fixtures` lists them. `docs/testing.md` describes all with examples.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from undercroft.testing.components import add_declarations, replace_component

if TYPE_CHECKING:
    from undercroft.testing.attack import Attack, IdFactory, Owner, new_row
    from undercroft.testing.audit_log import AuditedAction, AuditLog
    from undercroft.testing.authenticator import Authenticator
    from undercroft.testing.clock import Clock
    from undercroft.testing.emails import Email, Mailbox
    from undercroft.testing.events import CapturedEvents
    from undercroft.testing.jobs import CapturedJobs
    from undercroft.testing.lifespan import run_lifespan
    from undercroft.testing.statements import StatementRecorder, count_statements
    from undercroft.testing.teams import CreatedTeam, CreateTeam, CreateUser
    from undercroft.testing.users import SignedInUser, create_signed_in_user, make_client
    from undercroft.testing.waiting import eventually
    from undercroft.testing.websockets import connect_websocket

__all__ = [
    "Attack",
    "AuditLog",
    "AuditedAction",
    "Authenticator",
    "CapturedEvents",
    "CapturedJobs",
    "Clock",
    "CreateTeam",
    "CreateUser",
    "CreatedTeam",
    "Email",
    "IdFactory",
    "Mailbox",
    "Owner",
    "SignedInUser",
    "StatementRecorder",
    "add_declarations",
    "connect_websocket",
    "count_statements",
    "create_signed_in_user",
    "eventually",
    "make_client",
    "new_row",
    "replace_component",
    "run_lifespan",
]

_HOMES = {
    "attack": ("Attack", "IdFactory", "Owner", "new_row"),
    "audit_log": ("AuditLog", "AuditedAction"),
    "authenticator": ("Authenticator",),
    "clock": ("Clock",),
    "emails": ("Email", "Mailbox"),
    "events": ("CapturedEvents",),
    "jobs": ("CapturedJobs",),
    "lifespan": ("run_lifespan",),
    "statements": ("StatementRecorder", "count_statements"),
    "teams": ("CreateTeam", "CreateUser", "CreatedTeam"),
    "users": ("SignedInUser", "create_signed_in_user", "make_client"),
    "waiting": ("eventually",),
    "websockets": ("connect_websocket",),
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: pytest loads this package in every run."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
