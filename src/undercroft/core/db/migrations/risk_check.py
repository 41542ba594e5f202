"""Find the risks of migration files, and which of them the files accept."""

from collections.abc import Iterator
from pathlib import Path

from alembic.script import Script
from msgspec import Struct
from sqlmodel import SQLModel

from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.risks import KINDS, Risk, RiskDetector
from undercroft.core.db.migrations.runner import find_assignments, render_migration, script_directory
from undercroft.core.errors import ConfigurationError
from undercroft.core.telemetry.origin import relative_path


class MigrationRisk(Struct, frozen=True):
    """A risk of a migration file, and whether the file accepts risks of its kind."""

    history: str
    revision: str
    file: Path
    risk: Risk
    is_accepted: bool

    def __str__(self) -> str:
        """The place, the statement, the reason and the safe sequence, in several lines."""
        line = f":{self.risk.statement.line}" if self.risk.statement.line else ""
        safe = self.risk.safe_sequence.replace("\n", "\n    ")
        return (
            f"{relative_path(str(self.file))}{line}: {self.risk.kind} ({self.revision} of {self.history})\n"
            f"  {' '.join(self.risk.statement.sql.split()).rstrip(';')}\n"
            f"  {self.risk.reason} Instead:\n"
            f"    {safe}\n"
            f'  To accept the risk, write into the file: accepted_risks = {{"{self.risk.kind}": "REASON"}}'
        )


def find_risks(history: History) -> list[MigrationRisk]:
    """The risks of all migrations of a history, oldest first, including accepted ones.

    Raises `ConfigurationError`, with file and line, if a file accepts a risk without a reason or without having it.
    """
    mapped = {table.name: frozenset(table.columns.keys()) for table in SQLModel.metadata.tables.values()}
    detector = RiskDetector(history.version_table, mapped)
    found: list[MigrationRisk] = []
    for script in reversed(list(script_directory(history).walk_revisions())):
        accepted = getattr(script.module, "accepted_risks", {})
        risks = detector.read(render_migration(history, script))
        if errors := list(_acceptance_errors(accepted, risks)):
            raise ConfigurationError(f"{errors[0]}\n{_acceptance_line(history, script)}")
        for risk in dict.fromkeys(risks):
            file = Path(script.path)
            found.append(MigrationRisk(history.name, script.revision, file, risk, risk.kind in accepted))
    return found


def _acceptance_errors(accepted: object, risks: list[Risk]) -> Iterator[str]:
    if not isinstance(accepted, dict):
        yield '`accepted_risks` must be a dictionary of kinds and reasons: {"create index": "The table is small."}.'
        return
    kinds = {risk.kind for risk in risks}
    for kind, reason in accepted.items():
        if kind not in KINDS:
            yield f"`accepted_risks` contains {kind!r}, which is not a kind of risk. Use one of: {', '.join(KINDS)}."
        elif kind not in kinds:
            yield f"`accepted_risks` contains {kind!r}, but the migration has no such risk. Remove it."
        elif not isinstance(reason, str) or not reason.strip():
            yield f"`accepted_risks` contains {kind!r} without a reason. State why it is safe here."


def _acceptance_line(history: History, script: Script) -> str:
    return find_assignments(history, "accepted_risks", file=Path(script.path).name).rstrip()
