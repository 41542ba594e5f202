"""Terminals in which pages of the documentation are executed."""

import os
import sys
from pathlib import Path

from tests.cli.command_runner import clean_environment
from tests.docs.walkthrough import ROOT, Walkthrough
from undercroft.devstack import data_dirs
from undercroft.devstack.machine import free_port
from undercroft.testing.servers import Servers

UV = """#!/bin/sh
# `uv run COMMAND` in the environment of the tests: what a page explains is not the download of packages.
[ "$1" = run ] || { echo "The tests have only uv run, not: uv $*"; exit 2; }
shift
exec "$@"
"""


def prepare_terminal(folder: Path, servers: Servers, **environment: str) -> Walkthrough:
    """Return a terminal in a new folder with a checkout of Undercroft, and a `uv` that installs nothing."""
    programs, work = folder / "bin", folder / "work"
    programs.mkdir()
    work.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    (work / "undercroft").symlink_to(ROOT)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    ours = {
        "PATH": path,
        "PORT": str(free_port()),
        "PWD": str(work),
        "TEST_DATABASE_URL": servers.manager_url,
        "TEST_REDIS_URL": servers.redis_url,
        **environment,
    }
    return Walkthrough(work, clean_environment(ours))


def remove_stack(project: Path) -> None:
    """Delete the data of a development stack that are outside of the project."""
    for name in ("postgres", "valkey"):
        data_dirs.delete_data_dir(project / ".undercroft", name)
