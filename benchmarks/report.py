"""Prints the results as a table and writes `RESULTS.md`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "RESULTS.md"
Format = Callable[[float], str]
COLUMNS = ("measured", "must", "goal", "", "best rival", "how it spread")


def percent(value: float) -> str:
    return f"{value:.0%}"


def plain(value: float) -> str:
    return f"{value:.1f}" if value % 1 else f"{value:.0f}"


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def megabytes(value: float) -> str:
    return f"{value:.0f} MB"


def microseconds(value: float) -> str:
    return f"{value:.0f} us"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


@dataclass(frozen=True)
class Figure:
    """A measured value with its target; without a target it is only reported."""

    name: str
    value: float
    formatter: Format
    must: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    rival: str = ""
    spread: str = ""

    @property
    def passes(self) -> bool:
        return self.must is None or self._reaches(self.must)

    @property
    def mark(self) -> str:
        if self.must is None:
            return ""
        if not self.passes:
            return "misses"
        return "goal" if self.goal is not None and self._reaches(self.goal) else "must"

    @property
    def cells(self) -> tuple[str, ...]:
        bars = (self.formatter(bar) if bar is not None else "" for bar in (self.must, self.goal))
        return (self.formatter(self.value), *bars, self.mark, self.rival, self.spread)

    def _reaches(self, bar: float) -> bool:
        return self.value >= bar if self.more_is_better else self.value <= bar


def show(sections: dict[str, Sequence[Figure]], console: Console) -> None:
    """Print all sections as tables."""
    styles = {"misses": "bold red", "must": "yellow", "goal": "green"}
    for title, figures in sections.items():
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in ("", "how it spread") else "right")
        for figure in figures:
            table.add_row(
                figure.name, *figure.cells, style=styles.get(figure.mark) if figure.mark == "misses" else None
            )
        console.print(table)


def write(sections: dict[str, Sequence[Figure]], preface: Sequence[str], path: Path = RESULTS) -> None:
    """Write the results as Markdown."""
    lines = ["# Results", "", f"`make bench` on {datetime.now(UTC):%d %B %Y}.", "", *preface]
    for title, figures in sections.items():
        lines += ["", f"## {title}", "", f"| | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * 3} --- | ---: | --- |"]
        lines += [f"| {figure.name} | {' | '.join(figure.cells)} |" for figure in figures]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
