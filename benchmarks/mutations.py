"""`python -m benchmarks.mutations`: mutation testing. Counts how many of a sample of mutants the tests detect.

Each package gets an equal share of the sample, drawn with `--seed`. First the tests of the packages and the convention
tests in `tests/architecture` run once, to record which of them execute which line. A mutant is caught when those that
execute its line fail or do not end; the nearest tests are tried, up to a limit.
What survives is printed, to be read by a person: some mutants change nothing that a user could observe.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import pytest
from coverage import CoverageData

from benchmarks.mutants import Mutant, list_mutants

Lines = Mapping[Path, Mapping[int, Sequence[str]]]
"""The tests that execute each line, by source file."""

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("src/undercroft")
IGNORED = shutil.ignore_patterns(".git", ".venv", ".undercroft", ".*_cache", "__pycache__")
CAUGHT, SURVIVED, TIMED_OUT = "caught", "survived", "timed out"

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "core/auth": (
        "tests/core/auth",
        "tests/modules/sessions",
        "tests/modules/auth",
        "tests/modules/teams",
        "tests/modules/mfa",
        "tests/modules/impersonation",
    ),
    "core/db": ("tests/core/db", "tests/modules/projects"),
    "core/http": ("tests/core/http", "tests/modules/idempotency", "tests/modules/projects"),
    "jobs": ("tests/jobs", "tests/modules/jobs"),
    "modules/api_keys": ("tests/modules/api_keys", "tests/modules/admin"),
    "modules/audit": ("tests/modules/audit",),
    "modules/auth": ("tests/modules/auth", "tests/modules/web"),
    "modules/sessions": ("tests/modules/sessions", "tests/modules/auth"),
    "modules/identities": ("tests/modules/identities",),
    "modules/mfa": ("tests/modules/mfa",),
    "modules/projects": ("tests/modules/projects",),
    "modules/teams": ("tests/modules/teams", "tests/modules/web"),
    "modules/users": ("tests/modules/users", "tests/modules/auth"),
}
"""The packages of the sample and their tests."""

TESTS_OF_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "jobs": ("tests/jobs/test_killed_workers.py", "tests/jobs/test_supervision.py"),
}
"""Tests that start the package as a program, whose lines are not recorded; they are tried last on every mutant."""

CONVENTION_TESTS = "tests/architecture"

MAX_TESTS = 300
"""Most tests tried on a mutant: thousands execute a line of the core. What only others catch counts as survived."""


def main() -> int:
    arguments = _arguments()
    sample = draw(arguments.packages, arguments.sample, arguments.seed)
    print(f"{len(sample)} mutants, seed {arguments.seed}, limit {arguments.limit} s each", flush=True)
    counts: dict[str, Counter[str]] = {package: Counter() for package in arguments.packages}
    with tempfile.TemporaryDirectory(prefix="undercroft-mutations-") as folder:
        measured = arguments.measured or Path(folder)
        lines = _tests_by_line(measured, _run_once(measured, arguments.packages))
        for package, mutant, outcome in _run(sample, lines, Path(folder), arguments.workers, arguments.limit):
            counts[package][outcome] += 1
            print(f"{outcome:9} {mutant}", flush=True)
    return _report(counts, arguments.share)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.mutations", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), metavar="PACKAGE", help=", ".join(PACKAGES))
    parser.add_argument("--sample", type=int, default=120, help="how many mutants in all (default: 120)")
    parser.add_argument("--seed", type=int, default=1, help="draws another sample (default: 1)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: cores)")
    parser.add_argument("--limit", type=int, default=600, help="seconds for one mutant's tests (default: 600)")
    parser.add_argument("--measured", type=Path, help="a folder to keep what the first run records, or to reuse it")
    parser.add_argument("--share", type=int, default=90, help="percent that must be caught (default: 90)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.packages) - set(PACKAGES)):
        parser.error(f"unknown package {', '.join(unknown)}; there are {', '.join(PACKAGES)}")
    return arguments


def draw(packages: Sequence[str], size: int, seed: int) -> list[tuple[str, Mutant]]:
    """Return a sample with equally many mutants of each package, deterministic for the same seed and source."""
    sample: list[tuple[str, Mutant]] = []
    for position, package in enumerate(packages):
        share = size // len(packages) + (position < size % len(packages))
        candidates = [
            mutant
            for path in sorted((ROOT / SOURCE / package).rglob("*.py"))
            if "migrations" not in path.parts
            for mutant in list_mutants(ROOT, path)
        ]
        chosen = random.Random(f"{seed} {package}").sample(candidates, min(share, len(candidates)))
        sample.extend((package, mutant) for mutant in chosen)
    return sample


def _run_once(folder: Path, packages: Sequence[str]) -> Set[str]:
    """Record which test executes which line in a folder, and return the tests that fail without a mutant."""
    failures = folder / "failures.txt"
    if failures.exists():
        return set(failures.read_text().splitlines())
    print("running the tests once to record which lines each of them executes", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    tests = [*dict.fromkeys(test for package in packages for test in PACKAGES[package]), CONVENTION_TESTS]
    options = ["-n", "auto", "--dist", "loadfile", "-p", "benchmarks.coverage_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    environment = {**os.environ, "COVERAGE_FILE": str(folder / "coverage"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    failed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))}
    if done.returncode:
        print(f"excluded, because they fail without a mutant: {', '.join(sorted(failed)) or done.stdout}", flush=True)
    failures.write_text("\n".join(sorted(failed)))
    return failed


def _tests_by_line(folder: Path, failed: Set[str]) -> Lines:
    """Return the tests that executed each line, by source file; "" is execution by an import."""
    found: dict[Path, dict[int, list[str]]] = {}
    for file in folder.glob("coverage.*"):
        data = CoverageData(str(file))
        data.read()
        for measured in data.measured_files():
            lines = found.setdefault(Path(measured).relative_to(ROOT), {})
            for line, tests in data.contexts_by_lineno(measured).items():
                lines.setdefault(line, []).extend(set(tests) - failed)
    return found


def _run(
    sample: Sequence[tuple[str, Mutant]], lines: Lines, folder: Path, workers: int, limit: int
) -> Iterator[tuple[str, Mutant, str]]:
    """Test each mutant in a copy of the repository, one copy per worker."""
    sizes = count_lines(lines)
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(workers):
        shutil.copytree(ROOT, folder / str(number), ignore=IGNORED)
        copies.put(folder / str(number))

    def attempt(item: tuple[str, Mutant]) -> tuple[str, Mutant, str]:
        package, mutant = item
        copy = copies.get()
        try:
            return package, mutant, _outcome(copy, mutant, tests_of(package, mutant, lines, sizes), limit)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(attempt, sample)


def tests_of(package: str, mutant: Mutant, lines: Lines, sizes: Mapping[str, int]) -> list[str]:
    """Return at most `MAX_TESTS` tests that execute the mutant's line, the nearest and most specific first.

    Two thirds are of the file and its package, the others of everywhere. A test that executes few lines (`sizes`) is
    about each of them; every second one is chosen from another file instead.

    What an import executes is a declaration. It is tried with the tests that execute anything in its file and with the
    convention tests, which read declarations and execute nothing of the file.
    """
    executed = lines.get(mutant.path, {})
    line = next((line for line in range(mutant.line, 0, -1) if line in executed), 0)
    tests = set(executed.get(line, ()))
    is_declaration = not tests or "" in tests
    if is_declaration:
        tests = set().union(*executed.values()) - {""}
    ordered = _alternate_files(tests, sizes)
    near = [test for test in ordered if mutant.path.stem in test or test.startswith(PACKAGES[package])]
    near.sort(key=lambda test: mutant.path.stem not in test)
    near = near[: MAX_TESTS * 2 // 3]
    chosen = [*near, *(test for test in ordered if test not in near)][:MAX_TESTS] or list(PACKAGES[package])
    return [*chosen, *([CONVENTION_TESTS] if is_declaration else []), *TESTS_OF_PROCESSES.get(package, ())]


def count_lines(lines: Lines) -> Counter[str]:
    """The number of lines that each test executes."""
    counts: Counter[str] = Counter()
    for executed in lines.values():
        for tests in executed.values():
            counts.update(tests)
    return counts


def _alternate_files(tests: Iterable[str], sizes: Mapping[str, int]) -> list[str]:
    """Order tests by their size, alternating with the first of each file, the second of each file, and so on."""
    by_size = sorted(tests, key=lambda test: (sizes[test], test))
    seen: Counter[str] = Counter()
    numbered = []
    for test in by_size:
        file = test.partition("::")[0]
        numbered.append((seen[file], test))
        seen[file] += 1
    by_file = [test for _, test in sorted(numbered)]
    return list(dict.fromkeys(chain.from_iterable(zip(by_size, by_file, strict=True))))


def _outcome(copy: Path, mutant: Mutant, tests: Sequence[str], limit: int) -> str:
    path = copy / mutant.path
    source = path.read_bytes()
    path.write_bytes(mutant.apply_to(source))
    try:
        return _run_tests(copy, tests, limit)
    finally:
        path.write_bytes(source)


def _run_tests(copy: Path, tests: Sequence[str], limit: int) -> str:
    named = copy / "tests.txt"
    named.write_text("\n".join(tests))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"@{named}"]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    if done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED or b"ERROR: not found" in done.stderr:
        raise SystemExit(done.stderr.decode())
    return SURVIVED if done.returncode == 0 else CAUGHT


def _report(counts: Mapping[str, Counter[str]], share: int) -> int:
    total: Counter[str] = sum(counts.values(), Counter())
    for package, count in [*counts.items(), ("all", total)]:
        tried = count.total()
        print(f"{package:20} {tried - count[SURVIVED]:4} of {tried:4}  {_percent(count):5.1f}%")
    return 0 if _percent(total) >= share else 1


def _percent(count: Counter[str]) -> float:
    return 100 * (1 - count[SURVIVED] / count.total()) if count else 100.0


if __name__ == "__main__":
    sys.exit(main())
