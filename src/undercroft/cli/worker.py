"""`undercroft worker`: runs background jobs and schedules."""

from typing import Annotated

import typer

ATTACHES = True

Queues = Annotated[
    list[str] | None, typer.Option("--queue", "-q", help="Process only this queue. Repeat for several queues.")
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-c", min=1, max=1000, help="Number of concurrent jobs. Setting: JOBS_CONCURRENCY."),
]


def worker(queue: Queues = None, concurrency: Concurrency = None) -> None:
    """Run background jobs and schedules until SIGTERM."""
    from undercroft.app.worker import main

    main(tuple(queue or ()), concurrency)
