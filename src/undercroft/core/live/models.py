"""The table of versions, one row for each live value that was ever announced."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy


class LiveVersion(SQLModel, table=True):
    """A random version: unlike a number, it also differs after rows were deleted or a backup was restored."""

    __tablename__ = "live_versions"
    __privacy__ = Privacy("no one", "until the module is removed", non_personal=("name",))

    name: str = Field(primary_key=True, max_length=200)
    version: UUID
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))
