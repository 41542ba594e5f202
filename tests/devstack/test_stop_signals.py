"""The end of the processes that started this one."""

import subprocess
import sys
from pathlib import Path

from tests.devstack.stack import wait_until

WATCH = """
import sys, time
from pathlib import Path
from undercroft.devstack.reaper import is_alive
from undercroft.devstack.stop_signals import ParentWatcher

while is_alive(int(sys.argv[1])):
    time.sleep(0.01)
Path(sys.argv[2]).write_text(str(ParentWatcher().has_exited()))
"""
START = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]])
"""


def test_group_leader_that_ended_before_is_not_watched(tmp_path: Path) -> None:
    """A shell that starts the stack in the background and ends is the leader of its process group."""
    written = tmp_path / "written"
    subprocess.run([sys.executable, "-c", START, WATCH, str(written)], start_new_session=True, check=True)
    wait_until(lambda: written.exists() and written.read_text() != "", 60, lambda: "nothing was written")
    assert written.read_text() == "False"
