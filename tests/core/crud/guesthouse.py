"""An installed extension that adds fields to users, teams and projects, for tests."""

from pathlib import Path

NAME = "guesthouse"
FIELDS = '''\
"""Fields of entities of other modules."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from undercroft.core.db import ExtraFields
from undercroft.core.http import Deprecation
from undercroft.core.validation import Name
from undercroft.modules.projects import Project
from undercroft.modules.teams import Team
from undercroft.modules.users import User


OLD_RATING = Deprecation(since=date(2026, 12, 1), instead="loyalty_level")


class Level(StrEnum):
    NONE = "none"
    GOLD = "gold"


class GuestFields(ExtraFields, entity=User):
    """What the guest house knows about a user."""

    admin_only = ("loyalty_level",)
    read_only = ("nights",)
    hidden = ("notes",)
    sortable = ("nights", "nickname")
    filters = ("loyalty_level", "nickname", "nights")

    loyalty_level: Level = Field(default=Level.NONE, sa_type=String(20), description="Level of the loyalty program.")
    nickname: Name | None = Field(default=None, max_length=40, description="Name at the bar.")
    room_type: Level | None = Field(default=None, sa_type=String(20), description="Preferred room.")
    nights: int = Field(default=0, description="Nights stayed.")
    notes: str = Field(default="", description="Notes of the staff.")


class HouseFields(ExtraFields, entity=Team):
    """What the guest house knows about a team."""

    sortable = ("vat_id",)
    filters = ("vat_id",)

    vat_id: str | None = Field(default=None, max_length=20, description="VAT ID.")
    tags: list[str] = Field(default_factory=list, sa_type=JSONB, max_length=5, description="Tags.")


class StayFields(ExtraFields, entity=Project):
    """What the guest house knows about a project."""

    sortable = ("guests", "budget", "due_on")
    filters = ("guests", "contact", "due_on", "budget", "breakfast", "rating")

    budget: Decimal = Field(
        default=Decimal("10.50"), ge=0, max_digits=10, decimal_places=2, description="Budget in euros."
    )
    due_on: date | None = Field(default=None, description="Day of the deadline.")
    contact: str | None = Field(default="reception", max_length=50, description="Contact.")
    arrival: datetime | None = Field(default=None, description="Time of the arrival.")
    rating: float = Field(default=0.5, description="Rating.", schema_extra={"deprecated": OLD_RATING})
    guests: int = Field(default=1, description="Number of guests.")
    breakfast: bool = Field(default=False, description="Whether breakfast is included.")
    labels: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB, description="Labels.")
'''


def write_extension(folder: Path, fields: str = FIELDS, name: str = NAME) -> None:
    """Install an extension with these fields in a folder of `sys.path`."""
    package, metadata = folder / name, folder / f"{name}-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text(
        'from undercroft.core import Module\n\nMODULE = Module(requires=("users", "teams", "projects"))\n'
    )
    (package / "fields.py").write_text(fields)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[undercroft.modules]\n{name} = {name}\n")
