"""Generate a migration from the difference between models and database, with renames instead of drops and adds."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import ops
from alembic.script import Script
from msgspec import Struct
from sqlalchemy import Column, make_url
from sqlalchemy import Enum as SQLEnum

from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.runner import run
from undercroft.core.db.settings import ENGINE_URL
from undercroft.core.errors import ConfigurationError

_DIALECT = make_url(ENGINE_URL).get_dialect()()


class NoChangesDetected(ConfigurationError):
    """The models and the database agree, so there is no migration to write."""


class Rename(Struct, frozen=True):
    """A table, or a column of a table, with its old and new name."""

    old: str
    new: str
    table: str = ""

    def __str__(self) -> str:
        prefix = f"{self.table}." if self.table else ""
        return f"{prefix}{self.old} to {prefix}{self.new}"


class CreatedMigration(Struct, frozen=True):
    """A generated migration file and the renames that it contains."""

    file: Path
    renames: tuple[Rename, ...]


def migration_name(message: str) -> str:
    """The message on one line. Raises `ConfigurationError` if it contains no letter or digit."""
    name = " ".join(message.split())
    if not name.isprintable() or not any(character.isalnum() for character in name):
        raise ConfigurationError("Describe the change in a few words: they become the name of the migration.")
    return name


async def create(url: str, history: History, message: str) -> CreatedMigration:
    """Generate a migration from the difference between models and database, and format it.

    Raises `NoChangesDetected` if there is none, and `ConfigurationError` for an invalid message.
    """
    message = migration_name(message)
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    found: list[Rename] = []

    def adapt(_context: Any, _revision: Any, directives: list[Any]) -> None:
        (script,) = directives
        if script.upgrade_ops.is_empty():
            directives.clear()
        else:
            found.extend(detect_renames(script.upgrade_ops, script.downgrade_ops))
            _add_defaults(script.upgrade_ops)

    def make(config: Config) -> Path | None:
        script = command.revision(
            config, quoted, autogenerate=True, rev_id=_next_id(history, message), process_revision_directives=adapt
        )
        return Path(script.path) if isinstance(script, Script) else None

    history.versions.mkdir(parents=True, exist_ok=True)
    path: Path | None = await run(url, history, make)
    if path is None:
        raise NoChangesDetected(f"The models of {history.name} match the database: there is nothing to migrate.")
    _format(path)
    return CreatedMigration(path, tuple(found))


def _next_id(history: History, message: str) -> str:
    taken = [path.name for path in history.versions.glob("[0-9]*.py")]
    number = max((int(name[:4]) for name in taken), default=0) + 1
    words = "_".join("".join(c if c.isalnum() else " " for c in message.lower()).split())
    return f"{number:04d}_{words}"[:32].rstrip("_")


def _format(path: Path) -> None:
    """Format the file with ruff if it is installed; otherwise it is valid but not formatted."""
    if find_spec("ruff") is None:
        return
    for arguments in (("check", "--quiet", "--fix", "--exit-zero", "--select", "I,F401"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(path)], check=False, capture_output=True)


@renderers.dispatch_for(ops.RenameTableOp)
def _render(_context: AutogenContext, operation: ops.RenameTableOp) -> str:
    return f"op.rename_table({operation.table_name!r}, {operation.new_table_name!r})"


def detect_renames(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> list[Rename]:
    """Replace each drop with a matching add by a rename, which loses no data, in both directions.

    A dropped and an added column match if they are the only ones of their type in their table, and tables if their
    columns agree and no other tables' do. Returns the renames.
    """
    tables = list(_tables(upgrade.ops))
    _replace_tables(upgrade.ops, {each.old: each.new for each in tables})
    _replace_tables(downgrade.ops, {each.new: each.old for each in tables})
    columns = [rename for group in _groups(upgrade.ops) for rename in _columns(group)]
    for rename in columns:
        _replace_column(upgrade.ops, rename.table, rename.old, rename.new)
        _replace_column(downgrade.ops, rename.table, rename.new, rename.old)
    return [*tables, *columns]


def _add_defaults(upgrade: ops.UpgradeOps) -> None:
    """Give new required columns the default of their model in the database too, for rows that exist."""
    added = (op for group in _groups(upgrade.ops) for op in group.ops if isinstance(op, ops.AddColumnOp))
    for op in added:
        column = op.column
        if column.nullable or column.server_default is not None or column.foreign_keys:
            continue
        if (default := _literal_default(column)) is not None:
            op.column = Column(column.name, column.type, nullable=False, server_default=default, comment=column.comment)


def _literal_default(column: Column[Any]) -> str | None:
    """Return the default of the model as text that PostgreSQL converts to the type, or None if there is none."""
    value: Any = getattr(column.default, "arg", None)
    if isinstance(column.type, SQLEnum):
        return value.name if isinstance(value, Enum) else None
    match value.value if isinstance(value, Enum) else value:
        case bool(truth):
            return str(truth).lower()
        case str(text) if "'" in text:  # Alembic writes quotes at the ends wrongly
            return None
        case str() | int() | float() | Decimal() as literal:
            return str(literal)
    return None


def _groups(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.ModifyTableOps]:
    return (each for each in operations if isinstance(each, ops.ModifyTableOps))


def _columns(group: ops.ModifyTableOps) -> Iterator[Rename]:
    dropped = [op.to_column() for op in group.ops if isinstance(op, ops.DropColumnOp)]
    added = [op.column for op in group.ops if isinstance(op, ops.AddColumnOp)]
    for old in dropped:
        matches = [new for new in added if _type(new) == _type(old)]
        if len(matches) == 1 and sum(_type(other) == _type(old) for other in dropped) == 1:
            yield Rename(old.name, matches[0].name, group.table_name)


def _tables(operations: Iterable[ops.MigrateOperation]) -> Iterator[Rename]:
    listed = list(operations)
    dropped = [op for op in listed if isinstance(op, ops.DropTableOp)]
    created = [op for op in listed if isinstance(op, ops.CreateTableOp)]
    for old in dropped:
        shape = _shape(old.to_table().columns)
        matches = [new for new in created if _shape(_columns_of(new)) == shape]
        if len(matches) == 1 and sum(_shape(other.to_table().columns) == shape for other in dropped) == 1:
            yield Rename(old.table_name, matches[0].table_name)


def _columns_of(operation: ops.CreateTableOp) -> list[Column[object]]:
    return [each for each in operation.columns if isinstance(each, Column)]


def _shape(columns: Iterable[Column[object]]) -> dict[str, str]:
    return {column.name: _type(column) for column in columns}


def _type(column: Column[object]) -> str:
    return column.type.compile(_DIALECT)


def _replace_tables(operations: list[ops.MigrateOperation], names: dict[str, str]) -> None:
    """Rename first; the indexes of both tables need no operation, because they are renamed with it."""
    if not names:
        return
    renamed = {*names, *names.values()}
    indexed = (ops.DropTableOp, ops.CreateTableOp, ops.CreateIndexOp, ops.DropIndexOp)
    left = [op for op in operations if not (isinstance(op, indexed) and op.table_name in renamed)]
    for group in _groups(left):
        group.ops[:] = [op for op in group.ops if not (isinstance(op, indexed) and op.table_name in renamed)]
    left = [op for op in left if not (isinstance(op, ops.ModifyTableOps) and not op.ops)]
    operations[:] = [*(ops.RenameTableOp(old, new) for old, new in names.items()), *left]


def _replace_column(operations: list[ops.MigrateOperation], table: str, old: str, new: str) -> None:
    """Rename first, so that following operations, such as an index, find the column by its new name."""
    for group in _groups(operations):
        if group.table_name != table:
            continue
        added = next(op.column for op in group.ops if isinstance(op, ops.AddColumnOp) and op.column.name == new)
        group.ops[:] = [op for op in group.ops if not _affects_column(op, old, new)]
        change = ops.AlterColumnOp(table, old, existing_type=added.type, modify_name=new)
        group.ops.insert(0, change)


def _affects_column(operation: ops.MigrateOperation, old: str, new: str) -> bool:
    if isinstance(operation, ops.AddColumnOp):
        return bool(operation.column.name == new)
    return isinstance(operation, ops.DropColumnOp) and operation.column_name == old
