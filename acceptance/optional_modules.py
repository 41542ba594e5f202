"""Scenario 21: without each optional module, and without all of them, nothing of it remains and the tests pass."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from tests.app.test_optional_modules import running_probe

from acceptance.report import ScenarioReport
from acceptance.stack import EXCLUDED_VARIABLES, REPOSITORY
from undercroft.app.optional_modules import optional_modules, with_dependents

TESTS = ("tests/modules", "tests/core", "tests/app", "tests/architecture", "tests/cli", "tests/testing", "tests/jobs")
"""Left out are the tests of what has no part of a module: servers for development, providers, templates of projects."""

OPTIONS = (
    *("-n", "auto", "--dist", "loadfile", "--tb=short", "--color=no", "-p", "no:cacheprovider"),
    "--ignore-glob=*_in_chromium.py",
)
LEFT_OUT = re.compile(r"^total: (\d+) test functions", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """A run of the tests without these modules. `failures` are the names of failed tests."""

    disabled: frozenset[str]
    passed: int
    failures: list[str]
    left_out: int
    seconds: float

    @property
    def name(self) -> str:
        return "all" if len(self.disabled) == len(optional_modules()) else ", ".join(sorted(self.disabled))


async def run_scenario(report: ScenarioReport) -> None:
    choices = dict.fromkeys([frozenset(optional_modules()), *(with_dependents({each}) for each in optional_modules())])
    await asyncio.to_thread(_check_declarations, report, list(choices))
    runs = [await _run_tests(report, disabled) for disabled in choices]
    table = Table("without", "passed", "failed", "left out", "seconds")
    for run in runs:
        table.add_row(run.name, *map(str, (run.passed, len(run.failures), run.left_out, round(run.seconds))))
    report.console.print(table)


def _check_declarations(report: ScenarioReport, choices: list[frozenset[str]]) -> None:
    """Compare what the application declares with and without the modules."""
    with running_probe() as probe:
        complete: Mapping[str, Mapping[str, str]] = probe(frozenset())["declared"]
        for disabled in choices:
            found = probe(disabled)
            names = ", ".join(sorted(disabled))
            report.check(found.get("imported") == [], f"without {names}, none of it is imported", found.get("imported"))
            for kind, declared in complete.items():
                gone = {name for name, module in declared.items() if _find_module(module) in disabled}
                left = set(found["declared"][kind])
                report.check(
                    left == declared.keys() - gone, f"and exactly its {kind} are missing", f"{len(gone)} {kind}"
                )


def _find_module(python_module: str) -> str:
    """Return the built-in module to which a Python module belongs."""
    return python_module.removeprefix("undercroft.modules.").partition(".")[0] if "modules." in python_module else ""


async def _run_tests(report: ScenarioReport, disabled: frozenset[str]) -> Run:
    with TemporaryDirectory() as folder:
        results, started = Path(folder) / "results.xml", time.monotonic()
        arguments = (*OPTIONS, f"--junitxml={results}", *TESTS)
        inherited = {name: value for name, value in os.environ.items() if name not in EXCLUDED_VARIABLES}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", *arguments),
            cwd=REPOSITORY,
            env={**inherited, "DISABLED_MODULES": ",".join(sorted(disabled))},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode(errors="replace")
        run = _read(disabled, results, output, time.monotonic() - started)
    passed = process.returncode == 0 and run.passed > 0
    if not report.check(passed, f"the tests pass without {run.name}", f"{run.passed} passed, {run.left_out} left out"):
        report.note("\n".join(run.failures or [output[-2000:]]))
    return run


def _read(disabled: frozenset[str], results: Path, output: str, seconds: float) -> Run:
    cases: list[Any] = list(ElementTree.parse(results).iter("testcase")) if results.exists() else []
    failures = [case for case in cases if {"failure", "error"} & {child.tag for child in case}]
    skipped = [case for case in cases if case.find("skipped") is not None]
    left_out = LEFT_OUT.search(output)
    return Run(
        disabled,
        passed=len(cases) - len(failures) - len(skipped),
        failures=[f"{case.get('classname')}::{case.get('name')}" for case in failures],
        left_out=int(left_out[1]) if left_out else 0,
        seconds=seconds,
    )
