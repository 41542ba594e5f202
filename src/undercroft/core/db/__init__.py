"""PostgreSQL: sessions, models, repositories, migrations."""

from undercroft.core.db.dependencies import DatabaseDep, ReadSessionDep, SessionDep
from undercroft.core.db.models import Identified, SoftDeleted, TenantOwned, Timestamped, Versioned, utc_now
from undercroft.core.db.privacy import Erasure, Holds, Privacy
from undercroft.core.db.session import Database, ReadSession, Session
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import every_tenant, tenant

__all__ = [
    "Database",
    "DatabaseDep",
    "DatabaseSettings",
    "Erasure",
    "Holds",
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
    "every_tenant",
    "tenant",
    "utc_now",
]
