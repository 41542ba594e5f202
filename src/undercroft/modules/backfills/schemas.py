"""Response schemas of backfills."""

from typing import Self

from pydantic import Field

from undercroft.core.validation import Schema
from undercroft.jobs.models import BackfillBase, BackfillRow, BackfillStatus


class BackfillRead(BackfillBase):
    status: BackfillStatus = Field(description="Status; `queued` while it waits for a worker.")
    progress: float | None = Field(description="Processed part of the rows, from 0 to 1; null before they are counted.")
    remaining: float | None = Field(description="Estimated remaining time in seconds; null if it is unknown.")

    @classmethod
    def of(cls, row: BackfillRow) -> Self:
        values = {name: getattr(row, name) for name in BackfillBase.model_fields}
        return cls(**values, status=row.state, progress=row.fraction, remaining=row.remaining)


class BackfillList(Schema):
    items: list[BackfillRead] = Field(description="All backfills, sorted by name.")
