"""`make acceptance`, or `python -m acceptance 2 7` for some of the lines."""

import asyncio
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.markup import escape

from acceptance.stack import Stack, running
from acceptance.verdict import Verdict

SHARED = {
    2: "A newcomer's way, from registering to restoring a deleted project",
    8: "Fifty parallel registrations and refreshes",
    5: "Jobs survive killed workers and a restarted PostgreSQL",
    6: "PostgreSQL and Valkey stopped under load",
    7: "schemathesis over the whole schema",
    9: "Production refuses weak secrets, and no secret is logged",
    13: "A stranger who registers the addresses of others",
    11: "One client that floods the server with connections",
    14: "Requests that wait while their caller is revoked",
}
ALONE = {
    1: "One command, and what a kill -9 may not leave behind",
    10: "Another PostgreSQL, and a wheel in an empty environment",
    12: "Connections lost while saving, a failover, a full disk",
    15: "Jobs that block, outlast their timeout or ignore cancellation never run twice at once",
}
MODULES = {
    11: "connection_flood",
    12: "database_failures",
    13: "stranger_registration",
    14: "revocation",
    15: "job_supervision",
}
console = Console()


def main() -> int:
    chosen = {int(argument) for argument in sys.argv[1:]} or {*SHARED, *ALONE}
    if unknown := chosen - {*SHARED, *ALONE}:
        console.print(f"There is no line {unknown}; choose from {sorted({*SHARED, *ALONE})}.")
        return 2
    verdicts = asyncio.run(prove(chosen))
    return summarise(verdicts)


async def prove(chosen: set[int]) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    if shared := [line for line in SHARED if line in chosen]:
        async with running() as stack:
            for line in shared:
                verdicts[line] = await prove_line(line, SHARED[line], stack)
    for line in ALONE:
        if line in chosen:
            verdicts[line] = await prove_line(line, ALONE[line])
    return verdicts


async def prove_line(line: int, title: str, *stack: Stack) -> Verdict:
    console.print(f"\n[bold]{line}. {title}[/]")
    verdict, started = Verdict(console), time.monotonic()
    try:
        await import_module(f"acceptance.{MODULES.get(line, f'line_{line}')}").prove(*stack, verdict)
    except Exception as fault:
        verdict.check(False, "the line could be tried to its end", f"{type(fault).__name__}: {fault}")
    console.print(f"  [dim]{time.monotonic() - started:.0f} s[/]")
    return verdict


def summarise(verdicts: dict[int, Verdict]) -> int:
    console.print()
    for line, verdict in sorted(verdicts.items()):
        word = "[green]passes[/]" if verdict.holds else "[bold red]fails[/]"
        console.print(f"line {line:2} {word}  {verdict.checks - len(verdict.failures)} of {verdict.checks}")
        for failure in verdict.failures:
            console.print(f"         {escape(failure[:200])}")
    return 0 if all(verdict.holds for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
