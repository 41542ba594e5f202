"""`undercroft doctor`: whether everything that is configured works."""

import asyncio

import typer

from undercroft.cli._terminal import console

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""

MARKS = {"good": "[green]✓[/]", "weak": "[yellow]![/]", "bad": "[red]✗[/]"}


def doctor() -> None:
    """Check every configured dependency, with timings, and say how to mend what fails; exits with 1 then."""
    if asyncio.run(_examine()):
        raise typer.Exit(1)


async def _examine() -> bool:
    from rich.markup import escape

    from undercroft.app.diagnosis import Verdict, examine

    out = console()
    failed = False
    async for finding in examine():
        failed = failed or finding.verdict is Verdict.BAD
        says = escape(finding.says).replace("\n", "\n    ")
        took = f" [dim]{finding.ms} ms[/]" if finding.ms else ""
        out.print(f"{MARKS[finding.verdict]} [bold]{finding.subject:<9}[/] {says}{took}")
        if finding.mend:
            out.print(f"    → {escape(finding.mend)}")
    return failed
