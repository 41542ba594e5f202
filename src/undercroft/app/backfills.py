"""Complete backfills in a command, with the progress as text."""

import time
from collections.abc import Callable

from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load
from undercroft.jobs.backfills.completion import complete_backfill
from undercroft.jobs.models import BackfillRow, BackfillStatus

OWNER_STATEMENT_TIMEOUT = 3600
"""Statement timeout in seconds as the owner of the tables, who counts the rows of large tables."""
PROGRESS_INTERVAL = 2.0
"""Seconds between two lines of progress."""


async def complete_as_owner(url: str, name: str, report: Callable[[str], None] | None = None) -> None:
    """Call `complete` as the owner of the tables. The schema need not be current."""
    settings = load(DatabaseSettings).model_copy(update={"db_statement_timeout": OWNER_STATEMENT_TIMEOUT})
    database = Database(settings, url)
    try:
        await complete(database, name, report)
    finally:
        await database.close()


async def complete(database: Database, name: str, report: Callable[[str], None] | None = None) -> None:
    """Run a backfill until no row is left, or follow the process that runs it. `report` is called with its progress.

    Raises `ConfigurationError` if it is unknown, paused, failed or canceled.
    """
    last = 0.0

    def report_progress(row: BackfillRow) -> None:
        nonlocal last
        if report is not None and time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            report(describe_progress(row))

    await complete_backfill(database, name, report_progress)


def describe_progress(row: BackfillRow) -> str:
    """Return the progress in a line: `hotel.fill_minutes: 1,200 of 20,000 rows (6%), 340 rows/s, 55 s left`."""
    parts = [f"{row.done:,} of {row.total:,} rows ({row.fraction or 0:.0%})" if row.total is not None else "counting"]
    if row.state is BackfillStatus.RUNNING:
        parts += [f"{row.rate:,.0f} rows/s"] if row.rate else []
        parts += [f"{describe_seconds(row.remaining)} left"] if row.remaining is not None else []
    if row.throttled:
        parts.append(f"waiting: {row.throttled}")
    if row.error:
        parts.append(f"attempt {row.attempts} failed: {row.error.splitlines()[0]}")
    return f"{row.name}: {', '.join(parts)}"


def describe_seconds(seconds: float) -> str:
    """Return a duration with its largest unit: `40 s`, `12 min`, `5 h`."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.0f} h"
