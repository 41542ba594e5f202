"""`make acceptance`, or `python -m acceptance 2 7` for some of the lines."""

import asyncio
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.markup import escape

from acceptance.report import ScenarioReport
from acceptance.stack import Stack, running_stack

SHARED_STACK = {
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
OWN_STACK = {
    1: "One command, and what a kill -9 may not leave behind",
    10: "Another PostgreSQL, and a wheel in an empty environment",
    12: "Connections lost while saving, a failover, a full disk",
    15: "Jobs that block, outlast their timeout or ignore cancellation never run twice at once",
}
MODULES = {
    1: "startup",
    2: "signup_flow",
    5: "job_recovery",
    6: "outages",
    7: "fuzzing",
    8: "races",
    9: "production_secrets",
    10: "external_postgres",
    11: "connection_flood",
    12: "database_failures",
    13: "stranger_registration",
    14: "revocation",
    15: "job_supervision",
}
console = Console()


def main() -> int:
    chosen = {int(argument) for argument in sys.argv[1:]} or {*SHARED_STACK, *OWN_STACK}
    if unknown := chosen - {*SHARED_STACK, *OWN_STACK}:
        console.print(f"There is no line {unknown}; choose from {sorted({*SHARED_STACK, *OWN_STACK})}.")
        return 2
    reports = asyncio.run(run_scenarios(chosen))
    return summarize(reports)


async def run_scenarios(chosen: set[int]) -> dict[int, ScenarioReport]:
    reports: dict[int, ScenarioReport] = {}
    if shared := [line for line in SHARED_STACK if line in chosen]:
        async with running_stack() as stack:
            for line in shared:
                reports[line] = await run_and_report(line, SHARED_STACK[line], stack)
    for line in OWN_STACK:
        if line in chosen:
            reports[line] = await run_and_report(line, OWN_STACK[line])
    return reports


async def run_and_report(line: int, title: str, *stack: Stack) -> ScenarioReport:
    console.print(f"\n[bold]{line}. {title}[/]")
    report, started = ScenarioReport(console), time.monotonic()
    try:
        await import_module(f"acceptance.{MODULES[line]}").run_scenario(*stack, report)
    except Exception as fault:
        report.check(False, "the line could be tried to its end", f"{type(fault).__name__}: {fault}")
    console.print(f"  [dim]{time.monotonic() - started:.0f} s[/]")
    return report


def summarize(reports: dict[int, ScenarioReport]) -> int:
    console.print()
    for line, report in sorted(reports.items()):
        word = "[green]passes[/]" if report.passed else "[bold red]fails[/]"
        console.print(f"line {line:2} {word}  {report.checks - len(report.failures)} of {report.checks}")
        for failure in report.failures:
            console.print(f"         {escape(failure[:200])}")
    return 0 if all(report.passed for report in reports.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
