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
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from typing import Annotated, Any, ClassVar, Self

from msgspec import Struct
from pydantic import Field
from sqlalchemy import ColumnElement, FromClause, func, literal, select, true, union_all

from undercroft.core.db import ReadSession
from undercroft.core.validation import Schema

__all__ = [
    "Count",
    "DailyCount",
    "Statistics",
    "StatisticsSections",
    "count_rows",
]

DAY = timedelta(days=1)
Count = Annotated[int, Field(ge=0)]


class DailyCount(Struct, frozen=True):
    """Counts the rows of each day, or the distinct values of a column, by a column with the time of each row."""

    at: Any
    where: tuple[ColumnElement[bool], ...] = ()
    distinct: Any = None


class Statistics(Schema):
    """The counts of one module, under `section` in the response."""

    section: ClassVar[str]

    @classmethod
    @abstractmethod
    def query(cls, now: datetime) -> FromClause:
        """Return a subquery of one row, with one column for each count."""
        ...

    @classmethod
    def daily(cls) -> Mapping[str, DailyCount]:
        """Return what is counted for each day, by name; by default nothing."""
        return {}

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


class DailyCounts(Struct, frozen=True):
    """Counts of consecutive days in UTC, the last of which has not ended, by section and name."""

    days: list[date]
    counts: dict[tuple[str, str], list[int]]


async def collect_daily(
    session: ReadSession, sections: Mapping[str, type[Statistics]], now: datetime, *, length: int
) -> DailyCounts:
    """Return the daily counts of all sections for this number of days, of one statement."""
    last = now.astimezone(UTC).date()
    days = [last - timedelta(days=ago) for ago in reversed(range(length))]
    since = datetime.combine(days[0], time(), UTC)
    declared = {(section, name): count for section, each in sections.items() for name, count in each.daily().items()}
    counts = {key: dict.fromkeys(days, 0) for key in declared}
    if declared:
        queries = [_select_daily(*key, count, since) for key, count in declared.items()]
        rows: Any = (await session.execute(union_all(*queries))).all()
        for section, name, day, number in rows:
            if day in counts[section, name]:
                counts[section, name][day] = number
    return DailyCounts(days, {key: list(by_day.values()) for key, by_day in counts.items()})


def _select_daily(section: str, name: str, count: DailyCount, since: datetime) -> Any:
    day = func.date(func.timezone("UTC", count.at))
    number = func.count() if count.distinct is None else func.count(count.distinct.distinct())
    columns = (literal(section).label("section"), literal(name).label("name"), day.label("day"), number.label("number"))
    return select(*columns).where(count.at >= since, *count.where).group_by(day)
