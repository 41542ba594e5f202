"""`make bench`: prints the table, writes `RESULTS.md`, and exits with 1 if a `must` is missed."""

import argparse
import asyncio
import sys

from rich.console import Console

from benchmarks import report
from benchmarks.machine import BenchmarkError
from benchmarks.run import FULL, QUICK, Benchmark, preface

console = Console(width=None if sys.stdout.isatty() else 150)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Every figure beside the floor of the same run.")
    parser.add_argument("--quick", action="store_true", help="short rounds; prints only, RESULTS.md stays as it is")
    plan = QUICK if parser.parse_args().quick else FULL
    try:
        sections = asyncio.run(Benchmark(plan, lambda step: console.print(f"[dim]{step}[/]")).run())
    except BenchmarkError as error:
        console.print(f"[bold red]{error}[/]")
        return 2
    report.show(sections, console)
    if plan is FULL:
        report.write(sections, preface(plan))
        console.print(f"written to {report.RESULTS}")
    return 0 if all(figure.passes for figures in sections.values() for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
