"""Migrations: one history per package, each with its own folder and version table, upgraded in the given order."""

from undercroft.core.db.migrations.autogenerate import CreatedMigration, NoChangesDetected, create, migration_name
from undercroft.core.db.migrations.executor import (
    LossyMigration,
    differences,
    downgrade,
    find_lossy_migration,
    missing_file_message,
    pending_sql,
    upgrade,
)
from undercroft.core.db.migrations.history import History, MissingMigration, Status
from undercroft.core.db.migrations.plan import PlannedMigration, PreflightCheck, plan_upgrade, preflight, table_sizes
from undercroft.core.db.migrations.release import RecordedRelease, read_release, record_release
from undercroft.core.db.migrations.removal import forget, is_applied, revert_all
from undercroft.core.db.migrations.repair import Repair, apply_repair, find_repairs
from undercroft.core.db.migrations.risk_check import MigrationRisk, find_risks
from undercroft.core.db.migrations.runner import SCRIPT_LOCATION, open_migration_connection
from undercroft.core.db.migrations.status import get_statuses, tables

__all__ = [
    "SCRIPT_LOCATION",
    "CreatedMigration",
    "History",
    "LossyMigration",
    "MigrationRisk",
    "MissingMigration",
    "NoChangesDetected",
    "PlannedMigration",
    "PreflightCheck",
    "RecordedRelease",
    "Repair",
    "Status",
    "apply_repair",
    "create",
    "differences",
    "downgrade",
    "find_lossy_migration",
    "find_repairs",
    "find_risks",
    "forget",
    "get_statuses",
    "is_applied",
    "migration_name",
    "missing_file_message",
    "open_migration_connection",
    "pending_sql",
    "plan_upgrade",
    "preflight",
    "read_release",
    "record_release",
    "revert_all",
    "table_sizes",
    "tables",
    "upgrade",
]
