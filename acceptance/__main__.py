"""`make acceptance`: runs all acceptance scenarios; `python -m acceptance 2 7` runs some of them."""

import asyncio
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.markup import escape

from acceptance.report import ScenarioReport
from acceptance.stack import Stack, running_stack

SHARED_STACK = {
    2: "Sign-up flow, from registration to restoring a deleted project",
    8: "Fifty concurrent registrations and token refreshes",
    5: "Jobs survive killed workers and a restart of PostgreSQL",
    6: "Outages of PostgreSQL and Valkey under load",
    9: "Production refuses weak secrets, and no secret is logged",
    13: "Registration of other people's email addresses",
    11: "Connection flood by one client",
    14: "Revocation of access while requests are waiting",
}
OWN_STACK = {
    1: "Startup, shutdown, and kill -9 of each process",
    7: "API fuzzing with schemathesis",
    10: "External PostgreSQL, and the wheel in an empty environment",
    12: "Lost connections during writes, a failover, a full disk",
    15: "Jobs that block, exceed their timeout or ignore cancellation never run twice at the same time",
    16: "Undercroft installs beside common packages at their newest versions",
    17: "Linters accept the OpenAPI document, and generated clients compile strictly",
    18: "FastAPI's own tests, compared with FastAPI itself",
    19: "Upgrade of a project of the previous release under load, side by side, and behind a long reader",
    20: "Twenty extensions: the cost of a request and of the start",
    21: "Each optional module off, and all of them: nothing of it remains, and the tests pass",
    22: "The tutorial, typed by a stranger",
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
    16: "neighbors",
    17: "api_clients",
    18: "fastapi_suite",
    19: "upgrades",
    20: "twenty_extensions",
    21: "optional_modules",
    22: "tutorial",
}
console = Console()


def main() -> int:
    chosen = {int(argument) for argument in sys.argv[1:]} or {*SHARED_STACK, *OWN_STACK}
    if unknown := chosen - {*SHARED_STACK, *OWN_STACK}:
        console.print(f"There is no scenario {unknown}. Available: {sorted({*SHARED_STACK, *OWN_STACK})}.")
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
    except Exception as error:
        report.check(False, "the scenario runs to its end", f"{type(error).__name__}: {error}")
    console.print(f"  [dim]{time.monotonic() - started:.0f} s[/]")
    return report


def summarize(reports: dict[int, ScenarioReport]) -> int:
    console.print()
    for line, report in sorted(reports.items()):
        word = "[green]passes[/]" if report.passed else "[bold red]fails[/]"
        console.print(f"scenario {line:2} {word}  {report.checks - len(report.failures)} of {report.checks}")
        for failure in report.failures:
            console.print(f"         {escape(failure[:200])}")
    return 0 if all(report.passed for report in reports.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
