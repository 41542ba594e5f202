"""Run by Alembic for each history; `core.db.migrations` passes the connection and options."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel
from sqlmodel.sql import sqltypes
from sqlmodel.sql.sqltypes import AutoString

config = context.config
utc_types: tuple[type, ...] = (sqltypes.UTCDateTime,) if hasattr(sqltypes, "UTCDateTime") else ()
owned_tables: frozenset[str] = config.attributes.get("tables", frozenset())


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or name in owned_tables


def include_object(found: Any, name: str | None, kind: str, _reflected: bool, model: Any) -> bool:
    """Ignore other histories' tables, and columns that a model has retired: older releases still use them."""
    if kind == "column" and model is None and (table := SQLModel.metadata.tables.get(found.table.name)) is not None:
        return name not in table.info.get("retired_columns", ())
    return kind != "table" or name in owned_tables


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Render SQLModel's types as SQLAlchemy's, so that migrations do not depend on SQLModel."""
    if kind == "type" and isinstance(item, utc_types):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


def compare_server_default(
    _context: Any, _found: Any, column: Any, _found_default: Any, default: Any, _rendered: Any
) -> bool | None:
    """Ignore the default that `migrate new` gives to a new required column: the model has it in Python."""
    return False if default is None and column.default is not None and column.default.is_scalar else None


def configure(**options: Any) -> None:
    context.configure(
        target_metadata=SQLModel.metadata,
        version_table=config.get_main_option("version_table"),
        include_name=include_name,
        include_object=include_object,
        render_item=render_item,
        compare_type=True,
        compare_server_default=compare_server_default,
        transaction_per_migration=True,
        on_version_apply=config.attributes.get("on_version_apply"),
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    # The default parameter style would double each `%` in the SQL.
    configure(dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"})
else:
    connection: Connection = config.attributes["connection"]
    configure(connection=connection)
