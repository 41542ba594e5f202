"""Scenario 22: the tutorial, typed by a stranger who has only make, uv and a clone."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.docs.projects import remove_stack
from tests.docs.walkthrough import Walkthrough

from acceptance.report import ScenarioReport
from acceptance.stack import EXCLUDED_VARIABLES, REPOSITORY, clone, free_port

MAX_SECONDS = 300


async def run_scenario(report: ScenarioReport) -> None:
    folder = Path(tempfile.mkdtemp(prefix="undercroft-acceptance-"))
    terminal = _open_terminal(folder)
    try:
        await asyncio.to_thread(_follow, terminal, report)
    finally:
        terminal.stop()
        remove_stack(terminal.folder)
        shutil.rmtree(folder, ignore_errors=True)


def _open_terminal(folder: Path) -> Walkthrough:
    """A terminal with a clone in the folder `undercroft`, the command `undercroft`, and uv as it is installed."""
    programs, work = folder / "bin", folder / "work"
    programs.mkdir()
    work.mkdir()
    clone(folder).rename(work / "undercroft")
    (programs / "undercroft").symlink_to(Path(sys.executable).parent / "undercroft")
    inherited = {name: value for name, value in os.environ.items() if name not in {*EXCLUDED_VARIABLES, "UV"}}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    uv = os.environ.get("UV") or shutil.which("uv") or str(REPOSITORY / ".venv" / "bin" / "uv")
    path = os.pathsep.join([str(programs), str(Path(uv).parent), inherited["PATH"]])
    return Walkthrough(work, {**inherited, "PATH": path, "PORT": str(free_port()), "PWD": str(work)})


def _follow(terminal: Walkthrough, report: ScenarioReport) -> None:
    started = time.monotonic()
    terminal.run(REPOSITORY / "docs" / "tutorial.md")
    took = time.monotonic() - started
    report.check(took < MAX_SECONDS, "the tutorial reaches its end in 5 minutes", f"{took:.0f} s")
    terminal.shell("make format check")
    report.check(True, "and its code passes `make check`")
