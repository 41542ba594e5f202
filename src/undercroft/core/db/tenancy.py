"""The tenant context of row-level security: one team, all teams, or none.

The guard of a request sets it to the principal's team. Jobs, seeds, commands and maintenance set it explicitly:

    with tenant(team_id):
        async with database.session() as session: ...

Sessions read it when a statement is sent, not when they are opened. Added rows are written when the session flushes, so
flush inside the block. The context alone protects nothing: repositories filter whether TENANT_RLS is on or not.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import cache
from typing import Final
from uuid import UUID

from undercroft.core.db.models import TenantOwned
from undercroft.core.model_classes import model_classes

TENANT_SETTING: Final = "undercroft.team_id"
"""The transaction-local setting that the policies read."""


class TenantContextMissing(RuntimeError):
    """A team's rows were accessed outside of that team's tenant context."""


class AllTenants(Enum):
    """The rows of all teams."""

    ALL = "*"


ALL_TENANTS: Final = AllTenants.ALL
Tenant = UUID | AllTenants

_tenant: ContextVar[Tenant | None] = ContextVar("undercroft_tenant", default=None)
current_tenant = _tenant.get


def set_current_tenant(team: Tenant | None) -> None:
    """Set the tenant of the current task."""
    _tenant.set(team)


@contextmanager
def tenant(team_id: UUID) -> Iterator[None]:
    """Set the tenant inside this block."""
    yield from _tenant_context(team_id)


@contextmanager
def all_tenants() -> Iterator[None]:
    """Access the rows of all teams inside this block: for maintenance and administration, not for members' requests."""
    yield from _tenant_context(ALL_TENANTS)


def _tenant_context(team: Tenant) -> Iterator[None]:
    token = _tenant.set(team)
    try:
        yield
    finally:
        _tenant.reset(token)


def set_tenant_sql(team: Tenant | None) -> str:
    """The statement that sets the tenant of the current transaction."""
    value = "" if team is None else team.value if isinstance(team, AllTenants) else str(UUID(int=team.int))
    return f"SELECT set_config('{TENANT_SETTING}', '{value}', true)"


def tenant_tables() -> tuple[str, ...]:
    """The names of the tables with a `TenantOwned` model, sorted."""
    return tuple(sorted({str(model.__tablename__) for model in model_classes(TenantOwned)}))


def references_tenant_table(sql: str) -> bool:
    """Whether a statement may access a team's rows. A false positive costs a transaction, a miss returns no rows."""
    tables = tenant_tables()
    return bool(tables) and _word_pattern(tables).search(sql) is not None


@cache
def _word_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
