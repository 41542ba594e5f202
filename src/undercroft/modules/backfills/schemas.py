"""Response schemas of backfills."""

from typing import Self

from pydantic import Field

from undercroft.core.context import current_context
from undercroft.core.validation import Schema
from undercroft.jobs.backfills.declaration import Backfills
from undercroft.jobs.models import BackfillBase, BackfillRow, BackfillStatus


class BackfillRead(BackfillBase):
    status: BackfillStatus = Field(description="Status; `queued` while it waits for a worker.")
    is_declared: bool = Field(description="Whether this release has the backfill. Otherwise it cannot continue.")
    progress: float | None = Field(description="Processed part of the rows, from 0 to 1; null before they are counted.")
    remaining: float | None = Field(description="Estimated remaining time in seconds; null if it is unknown.")

    @classmethod
    def of(cls, row: BackfillRow) -> Self:
        values = {name: getattr(row, name) for name in BackfillBase.model_fields}
        is_declared = row.name in current_context().get(Backfills).by_name
        return cls(**values, status=row.state, is_declared=is_declared, progress=row.fraction, remaining=row.remaining)


class BackfillList(Schema):
    items: list[BackfillRead] = Field(description="All backfills, sorted by name.")
