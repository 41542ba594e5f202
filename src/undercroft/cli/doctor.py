"""`undercroft doctor`: whether everything that is configured works."""

import asyncio

import typer
from rich.console import Console

MARKS = {"good": "[green]✓[/]", "weak": "[yellow]![/]", "bad": "[red]✗[/]"}


def doctor() -> None:
    """Check every configured dependency, with timings, and say how to mend what fails; exits with 1 then."""
    if asyncio.run(_examine()):
        raise typer.Exit(1)


async def _examine() -> bool:
    from rich.markup import escape

    from undercroft.app.diagnosis import Verdict, examine

    console = Console(highlight=False, soft_wrap=True)
    failed = False
    async for finding in examine():
        failed = failed or finding.verdict is Verdict.BAD
        says = escape(finding.says).replace("\n", "\n    ")
        console.print(f"{MARKS[finding.verdict]} [bold]{finding.subject:<9}[/] {says} [dim]{finding.ms} ms[/]")
        if finding.mend:
            console.print(f"    → {escape(finding.mend)}")
    return failed
