"""PostgreSQL: sessions, models, repositories and migrations."""

from undercroft.core.db.database import Database
from undercroft.core.db.dependencies import DatabaseDep, ReadSessionDep, SessionDep
from undercroft.core.db.extra_fields import ExtraFields
from undercroft.core.db.models import CreatedAt, Identified, SoftDeleted, TenantOwned, Timestamped, Versioned, utc_now
from undercroft.core.db.privacy import ColumnContent, Erasure, Privacy
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.repository import (
    OwnedRepository,
    Paging,
    Position,
    Repository,
    RowPage,
    TenantRepository,
    UnknownSort,
)
from undercroft.core.db.session import Session
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import all_tenants, tenant

__all__ = [
    "ColumnContent",
    "CreatedAt",
    "Database",
    "DatabaseDep",
    "DatabaseSettings",
    "Erasure",
    "ExtraFields",
    "Identified",
    "OwnedRepository",
    "Paging",
    "Position",
    "Privacy",
    "ReadSession",
    "ReadSessionDep",
    "Repository",
    "RowPage",
    "Session",
    "SessionDep",
    "SoftDeleted",
    "Statement",
    "TenantOwned",
    "TenantRepository",
    "Timestamped",
    "UnknownSort",
    "Versioned",
    "all_tenants",
    "tenant",
    "utc_now",
]
