"""`undercroft worker`: runs background jobs and schedules."""

from typing import Annotated

import typer

Queues = Annotated[
    list[str] | None, typer.Option("--queue", "-q", help="Serve only this queue; may be given several times.")
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-c", min=1, max=1000, help="Jobs at the same time; JOBS_CONCURRENCY.")
]


def worker(queue: Queues = None, concurrency: Concurrency = None) -> None:
    """Run background jobs and schedules until stopped."""
    from undercroft.app.worker import main

    main(tuple(queue or ()), concurrency)
