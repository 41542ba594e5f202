"""The table of values that administrators have set."""

from uuid import UUID

from sqlalchemy import Text
from sqlmodel import Field

from undercroft.core.db import Erasure, Identified, Privacy, Timestamped, Versioned

NAME_LENGTH = 100
VALUE_LENGTH = 50_000


class SystemSetting(Identified, Timestamped, Versioned, table=True):
    """A setting that can change at runtime. There is a row for each, so that `/admin` lists them.

    `value` has the notation of the environment; NULL while the environment applies.
    """

    __tablename__ = "system_settings"
    __privacy__ = Privacy(
        "the administrator who changed it",
        "until it is changed again",
        non_personal=("name", "section", "description", "value"),
        erasures=(Erasure("changed_by", values={"changed_by": None}),),
    )

    name: str = Field(max_length=NAME_LENGTH, unique=True)
    section: str = Field(default="", max_length=NAME_LENGTH)
    description: str = Field(default="", sa_type=Text)
    value: str | None = Field(default=None, sa_type=Text)
    changed_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
