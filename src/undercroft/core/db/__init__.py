"""PostgreSQL: sessions, models, repositories and migrations."""

from undercroft.core.db.dependencies import DatabaseDep, ReadSessionDep, SessionDep
from undercroft.core.db.models import Identified, SoftDeleted, TenantOwned, Timestamped, Versioned, utc_now
from undercroft.core.db.privacy import ColumnContent, Erasure, Privacy
from undercroft.core.db.session import Database, ReadSession, Session
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import all_tenants, tenant

__all__ = [
    "ColumnContent",
    "Database",
    "DatabaseDep",
    "DatabaseSettings",
    "Erasure",
    "Identified",
    "Privacy",
    "ReadSession",
    "ReadSessionDep",
    "Session",
    "SessionDep",
    "SoftDeleted",
    "Statement",
    "TenantOwned",
    "Timestamped",
    "Versioned",
    "all_tenants",
    "tenant",
    "utc_now",
]
