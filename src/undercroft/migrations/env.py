"""Run by Alembic for each history; `core.db.migrations` hands over the connection and what belongs to it."""

from typing import Any

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

config = context.config
owned: frozenset[str] = config.attributes.get("tables", frozenset())


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or name in owned


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, _to: Any) -> bool:
    return kind != "table" or name in owned


def configure(**how: Any) -> None:
    context.configure(
        target_metadata=SQLModel.metadata,
        version_table=config.get_main_option("version_table"),
        include_name=include_name,
        include_object=include_object,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
        **how,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    configure(dialect_name="postgresql", literal_binds=True)
else:
    connection: Connection = config.attributes["connection"]
    configure(connection=connection)
