"""Migrations: one history per package, each with its own folder and version table, upgraded in the order given."""

from undercroft.core.db.migrations.creating import Created, NothingDiffers, create, migration_name
from undercroft.core.db.migrations.histories import History, Missing, Status
from undercroft.core.db.migrations.repairing import Repair, repair, repairs
from undercroft.core.db.migrations.running import ENVIRONMENT, connected
from undercroft.core.db.migrations.status import statuses, tables
from undercroft.core.db.migrations.upgrading import (
    Waiting,
    differences,
    downgrade,
    missing_file,
    pending_sql,
    upgrade,
    waiting,
)

__all__ = [
    "ENVIRONMENT",
    "Created",
    "History",
    "Missing",
    "NothingDiffers",
    "Repair",
    "Status",
    "Waiting",
    "connected",
    "create",
    "differences",
    "downgrade",
    "migration_name",
    "missing_file",
    "pending_sql",
    "repair",
    "repairs",
    "statuses",
    "tables",
    "upgrade",
    "waiting",
]
