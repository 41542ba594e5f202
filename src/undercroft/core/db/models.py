"""Base classes and mixins of tables, with naming conventions for constraints."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Integer
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

from undercroft.core.ids import new_id

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

SQLModel.model_config["defer_build"] = True
"""Validators of tables and their subclasses are built on first use (see `Schema`)."""


def utc_now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


class Identified(SQLModel):
    id: UUID = Field(default_factory=new_id, primary_key=True, description="UUIDv7, sorts by creation time.")


class CreatedAt(SQLModel):
    created_at: datetime = Field(
        default_factory=utc_now, sa_type=DateTime(timezone=True), nullable=False, description="Time of the creation."
    )


class Timestamped(CreatedAt):
    updated_at: datetime = Field(
        default_factory=utc_now,
        sa_type=DateTime(timezone=True),
        nullable=False,
        sa_column_kwargs={"onupdate": utc_now},
        description="Time of the last change.",
    )


class SoftDeleted(SQLModel):
    """Rows that are hidden instead of deleted, so that they can be restored."""

    deleted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True), nullable=True)


class Versioned(SQLModel):
    """Optimistic locking: updating a row that changed in the meantime raises `StaleDataError`, which becomes a 409."""

    version: int = Field(
        default=1,
        sa_type=Integer,
        nullable=False,
        description="Version number, incremented by every change; also the ETag.",
    )

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.__table__.c.version} if hasattr(cls, "__table__") else {}


class TenantOwned(Identified):
    """Rows of one team. They are only accessible by a `TenantRepository`, which requires a team."""

    team_id: UUID = Field(nullable=False, description="Team that owns the row.")
