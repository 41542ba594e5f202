"""Write the files of a migration history for one test."""

from pathlib import Path

from undercroft.core.db.migrations import History

_FILE = """
from alembic import op
revision = "{revision}"
down_revision = {down!r}
branch_labels = depends_on = None
{more}

def upgrade():
    {body}

def downgrade():
    {undo}
"""


def write(folder: Path, revision: str, down: str | None, body: str, *, undo: str = "pass", more: str = "") -> Path:
    """Write a migration with this `upgrade` body and return its file."""
    versions = folder / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    path = versions / f"{revision}.py"
    path.write_text(_FILE.format(revision=revision, down=down, body=body, undo=undo, more=more))
    return path


def execute(sql: str) -> str:
    return f"op.execute({sql!r})"


def library(folder: Path) -> History:
    """A history with one migration, which creates the table `shelf`."""
    write(folder, "0001_shelf", None, execute("CREATE TABLE shelf (id int)"), undo=execute("DROP TABLE shelf"))
    return History("library", folder, frozenset({"shelf"}))
