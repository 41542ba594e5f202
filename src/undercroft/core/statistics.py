"""Counts that modules contribute to the platform statistics, all read in one statement.

class ProjectStatistics(Statistics):            # modules/projects/statistics.py
    section = "projects"

    total: Count = Field(description="Projects that are not deleted.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        return count_rows(Project, total=col(Project.deleted_at).is_(None))
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Annotated, Any, ClassVar, Self

from msgspec import Struct
from pydantic import Field
from sqlalchemy import ColumnElement, FromClause, func, select, true

from undercroft.core.db import ReadSession
from undercroft.core.validation import Schema

__all__ = [
    "Count",
    "Statistics",
    "StatisticsSections",
    "count_rows",
]

DAY = timedelta(days=1)
Count = Annotated[int, Field(ge=0)]


class Statistics(Schema):
    """The counts of one module, under `section` in the response."""

    section: ClassVar[str]

    @classmethod
    @abstractmethod
    def query(cls, now: datetime) -> FromClause:
        """Return a subquery of one row, with one column for each count."""
        ...

    @classmethod
    def from_counts(cls, counts: Mapping[str, int]) -> Self:
        return cls.model_validate(counts)


def count_rows(
    model: Any, *where: ColumnElement[bool], extra: Sequence[Any] = (), **counts: ColumnElement[bool] | None
) -> FromClause:
    """Select one row of counts: for each condition the rows that match it, or all rows for None."""
    columns = [
        (func.count() if condition is None else func.count().filter(condition)).label(name)
        for name, condition in counts.items()
    ]
    return select(*columns, *extra).select_from(model).where(*where).subquery()


class StatisticsSections(Struct, frozen=True):
    """The statistics of the application's modules by section."""

    by_name: dict[str, type[Statistics]]


async def collect(
    session: ReadSession, sections: Mapping[str, type[Statistics]], now: datetime
) -> dict[str, Statistics]:
    """Return the statistics of all sections, of one snapshot."""
    tables = {name: each.query(now) for name, each in sections.items()}
    columns = [column.label(f"{name}.{column.name}") for name, table in tables.items() for column in table.c]
    together = reduce(lambda left, right: left.join(right, true()), tables.values())
    row: Any = (await session.execute(select(*columns).select_from(together))).mappings().one()
    counts = {name: {column.name: row[f"{name}.{column.name}"] for column in table.c} for name, table in tables.items()}
    return {name: each.from_counts(counts[name]) for name, each in sections.items()}
