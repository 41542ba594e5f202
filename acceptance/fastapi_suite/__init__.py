"""Scenario 18: FastAPI's own tests on Undercroft's application, compared with FastAPI itself."""

import asyncio
import os
import shutil
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from acceptance.fastapi_suite.differences import DIFFERENCES
from acceptance.report import ScenarioReport

ROOT = Path(__file__).parents[2]
MINUTES = 30
RESULTS = "results.xml"
OPTIONS = (
    *("-q", "-n", "2", "--tb=no", "--continue-on-collection-errors", "-o", "filterwarnings=default"),
    *("-p", "no:undercroft", "-p", "no:sugar"),
)
IGNORED = ("--ignore=tests/benchmarks", "--ignore=tests/memory_benchmarks")


async def run_scenario(report: ScenarioReport) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        python = await _create_environment(folder)
        source = await _download(folder, python)
        await _install(python, "--group", f"{source / 'pyproject.toml'}:tests")
        tests, plain = await _run(python, source)
        _, own = await _run(python, source, "-p", "acceptance.fastapi_suite.plugin")
    report.check(len(plain) < tests / 20, f"FastAPI {version('fastapi')} passes its tests", f"{len(plain)} of {tests}")
    failing = own - plain
    report.note(f"{len(failing)} of {tests} tests fail on Undercroft's application")
    for each in DIFFERENCES:
        count = sum(map(each.explains, failing))
        report.check(count, f"tests fail because of: {each.topic}", count)
    unexplained = sorted(test for test in failing if not any(each.explains(test) for each in DIFFERENCES))
    report.check(not unexplained, "no test fails for another reason", ", ".join(unexplained[:20]))


async def _download(folder: Path, python: Path) -> Path:
    """Download and unpack the source distribution of the installed FastAPI."""
    release = f"fastapi=={version('fastapi')}"
    await _call(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=fastapi", "-d", folder, release)
    [archive] = folder.glob("fastapi-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    [source] = (path for path in folder.glob("fastapi-*") if path.is_dir())
    shutil.rmtree(source / "fastapi")  # the installed one is tested
    return source


async def _create_environment(folder: Path) -> Path:
    """Create an environment with Undercroft, all of FastAPI, and pip."""
    environment = folder / "environment"
    python = environment / "bin" / "python"
    await _call("uv", "venv", "-q", "--seed", "--python", sys.executable, environment)
    await _install(python, "-e", ROOT, f"fastapi[all]=={version('fastapi')}")
    return python


async def _install(python: Path, *what: str | Path) -> None:
    await _call("uv", "pip", "install", "-q", "--python", python, *what)


async def _run(python: Path, source: Path, *plugin: str) -> tuple[int, set[str]]:
    """Run the tests, and those that failed again, because some measure time.

    Returns their number and the names of those that failed twice.
    """
    command = (python, "-m", "pytest", *OPTIONS, *plugin, *IGNORED, f"--junitxml={source / RESULTS}", "tests")
    await _call(*command, cwd=source, accept_failures=True)
    tests = len(_read_cases(source))
    await _call(*command, "--last-failed", "--last-failed-no-failures", "none", cwd=source, accept_failures=True)
    failed = (
        case for case in _read_cases(source) if case.find("failure") is not None or case.find("error") is not None
    )
    return tests, {f"{case.get('classname')}::{case.get('name')}" for case in failed}


def _read_cases(source: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(source / RESULTS).getroot().iter("testcase"))


async def _call(*words: str | Path, cwd: Path = ROOT, accept_failures: bool = False) -> None:
    """Run a command. Raises `RuntimeError` with its output if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *map(str, words),
        cwd=cwd,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(MINUTES * 60):
        output, _ = await process.communicate()
    if process.returncode and not accept_failures:
        raise RuntimeError(f"{words[0]} {words[1]} failed: {output.decode()[-2000:]}")
