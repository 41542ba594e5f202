"""`undercroft run`: run a task now."""

from typing import TYPE_CHECKING, Annotated

import typer

from undercroft.cli._database import with_database

if TYPE_CHECKING:
    from undercroft.core.db import Database
    from undercroft.jobs import Job

ATTACHES = True


def run(
    task: Annotated[str, typer.Argument(help="Name of the task, such as hotel.purge_all.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Its arguments, such as team_id=0198f3c2-….", metavar="NAME=VALUE...")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the job and print its result.")] = True,
) -> None:
    """Enqueue a job of a task, for example a nightly one, and wait until a worker has run it.

    Exits with 1 if the job fails. Ctrl-C stops the waiting, not the job.
    """
    from undercroft.jobs.run import enqueue_by_name, parse_arguments, wait_for_end

    given = parse_arguments(arguments or ())

    async def enqueue_and_wait(database: "Database") -> "Job":
        job = await enqueue_by_name(database, task, given)
        typer.echo(f"Queued job {job.id}.", err=True)
        return await wait_for_end(database, job.id, _report_idle) if wait else job

    _print_end(with_database(enqueue_and_wait))


def _report_idle() -> None:
    typer.echo("No worker is running this task. Start one with `undercroft worker` or `undercroft dev`.", err=True)


def _print_end(job: "Job") -> None:
    import json

    result = "" if job.result is None else f": {json.dumps(job.result, ensure_ascii=False)}"
    typer.echo(f"{job.task} {job.status}{result}")
    if job.status in ("failed", "canceled"):
        if job.error:
            typer.echo(job.error.rstrip(), err=True)
        raise typer.Exit(1)
