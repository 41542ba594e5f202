"""`undercroft doctor`: check the configured dependencies."""

import asyncio

import typer
from rich.markup import escape

from undercroft.core.commands import console

ATTACHES = True

SYMBOLS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}


def doctor() -> None:
    """Check every configured dependency and print how to fix what fails. Exits with 1 if a check fails."""
    if asyncio.run(_run_checks()):
        raise typer.Exit(1)


async def _run_checks() -> bool:
    from undercroft.app.doctor import CheckStatus, run_checks

    out = console()
    failed = False
    async for finding in run_checks():
        failed = failed or finding.status is CheckStatus.ERROR
        message = escape(finding.message).replace("\n", "\n    ")
        took = f" [dim]{finding.duration_ms} ms[/]" if finding.duration_ms else ""
        out.print(f"{SYMBOLS[finding.status]} [bold]{finding.name:<10}[/] {message}{took}")
        if finding.fix:
            out.print(f"    → {escape(finding.fix)}")
    return failed
