"""Charts of the admin dashboard: rows per day, rendered on the server as SVG without scripts."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Date, cast, func, select
from sqlmodel import SQLModel

from undercroft.core.db import ReadSession, utc_now

DAYS = 30
WIDTH, HEIGHT = 300, 80


class Series(Struct, frozen=True):
    """One line of a chart: the number of rows per day of `column`, filtered by `where`."""

    name: str
    model: type[SQLModel]
    column: str = "created_at"
    where: Sequence[ColumnElement[bool]] = ()


class Chart(Struct, frozen=True):
    """A card of the dashboard with up to four lines."""

    title: str
    series: Sequence[Series]


class RenderedSeries(Struct, frozen=True):
    """A line as the template draws it: `points` is the attribute of an SVG polyline."""

    name: str
    total: int
    peak: int
    points: str
    area: str


def daily_chart(title: str, model: type[SQLModel], column: str = "created_at") -> Chart:
    """A chart of the rows of a model created per day."""
    return Chart(title, [Series(title, model, column)])


async def render_chart(session: ReadSession, chart: Chart) -> list[RenderedSeries]:
    """The lines of a chart over the last `DAYS` days including today; one statement each."""
    counted = [(line.name, await _count_per_day(session, line)) for line in chart.series]
    highest = max((number for _, numbers in counted for number in numbers), default=0)
    return [_render_series(name, numbers, highest) for name, numbers in counted]


async def _count_per_day(session: ReadSession, line: Series) -> list[int]:
    column: Any = getattr(line.model, line.column)
    first = utc_now().date() - timedelta(days=DAYS - 1)
    day = cast(func.timezone("UTC", column), Date).label("day")
    query = select(day, func.count()).where(column >= first, *line.where).group_by(day)
    rows: Sequence[Any] = (await session.execute(query)).all()
    found: Mapping[date, int] = dict(map(tuple, rows))
    return [found.get(first + timedelta(days=n), 0) for n in range(DAYS)]


def _render_series(name: str, numbers: Sequence[int], highest: int) -> RenderedSeries:
    step = WIDTH / (len(numbers) - 1)
    points = " ".join(
        f"{n * step:.1f},{HEIGHT - 4 - (HEIGHT - 8) * number / max(1, highest):.1f}" for n, number in enumerate(numbers)
    )
    return RenderedSeries(name, sum(numbers), max(numbers), points, f"0,{HEIGHT} {points} {WIDTH},{HEIGHT}")
