"""Detect renames, which a comparison reports as a drop and an add."""

from collections.abc import Iterable, Iterator

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from msgspec import Struct
from sqlalchemy import Column, make_url

from undercroft.core.db.settings import ENGINE_URL

_DIALECT = make_url(ENGINE_URL).get_dialect()()


class Rename(Struct, frozen=True):
    """A table, or a column of a table, with its old and new name."""

    old: str
    new: str
    table: str = ""

    def __str__(self) -> str:
        prefix = f"{self.table}." if self.table else ""
        return f"{prefix}{self.old} to {prefix}{self.new}"


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
