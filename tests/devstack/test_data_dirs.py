"""Where data and programs lie, so that a server without rights reaches them and nobody else gains any."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs
from undercroft.devstack.machine import ServerUser, file_lock, is_readable, is_traversable

HOLD_LOCK = """
import pathlib, sys, time
from undercroft.devstack.machine import file_lock
with file_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
CURRENT_USER = ServerUser(os.getuid(), os.getgid())
OPEN = Path("/tmp" if sys.platform == "linux" else "/private/tmp")


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that others cannot walk through, and another place for what lies outside."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr(data_dirs, "SYSTEM_DATA_DIR", tmp_path / "outside")
    return home


def test_ones_own_data_lie_in_the_state_folder(tmp_path: Path):
    folder = data_dirs.ensure_data_dir(tmp_path / "state", "postgres", None)

    assert folder == (tmp_path / "state" / "postgres").resolve()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_below_a_closed_folder_they_lie_outside_and_a_link_leads_there(closed: Path):
    state = closed / "project" / ".undercroft"
    state.parent.mkdir()

    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    assert folder.is_relative_to(data_dirs.SYSTEM_DATA_DIR.resolve())
    assert (state / "postgres").is_symlink()
    assert (state / "postgres").resolve() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_mode & 0o777 == 0o700
    assert data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER) == folder


def test_data_of_a_deleted_project_are_not_found_by_the_next_one_of_that_name(closed: Path):
    state = closed / ".undercroft"
    (data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER) / "secret").touch()
    (state / "postgres").unlink()

    assert not list(data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER).iterdir())


def test_a_project_that_was_moved_keeps_its_data_although_another_takes_its_place(closed: Path):
    (data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER) / "precious").touch()
    (closed / "shop").rename(closed / "moved")

    assert not list(data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER).iterdir())
    assert [path.name for path in data_dirs.ensure_data_dir(closed / "moved", "postgres", CURRENT_USER).iterdir()] == [
        "precious"
    ]


def test_data_that_were_moved_below_a_closed_folder_are_brought_outside(closed: Path):
    state = closed / ".undercroft"
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "precious").touch()

    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    assert folder.is_relative_to(data_dirs.SYSTEM_DATA_DIR.resolve())
    assert [path.name for path in folder.iterdir()] == ["precious"]


def test_a_copied_project_is_kept_away_from_the_data_of_the_other(closed: Path):
    (data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER) / "precious").touch()
    (closed / "copy").mkdir()
    (closed / "copy" / "postgres").symlink_to((closed / "shop" / "postgres").readlink())

    with pytest.raises(ConfigurationError, match="undercroft db reset"):
        data_dirs.ensure_data_dir(closed / "copy", "postgres", CURRENT_USER)
    data_dirs.delete_data_dir(closed / "copy", "postgres")

    assert not list(data_dirs.ensure_data_dir(closed / "copy", "postgres", CURRENT_USER).iterdir())
    assert [path.name for path in data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER).iterdir()] == [
        "precious"
    ]


def test_discarded_data_leave_nothing_behind(closed: Path):
    state = closed / ".undercroft"
    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    data_dirs.delete_data_dir(state, "postgres")

    assert not folder.exists()
    assert not folder.parent.exists()
    assert not (state / "postgres").is_symlink()


def test_programs_that_others_cannot_reach_are_copied_once_and_stay_together(closed: Path):
    (closed / "server" / "bin").mkdir(parents=True)
    program = closed / "server" / "bin" / "server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (closed / "server.libs").mkdir()
    (closed / "server.libs" / "lib.so").write_text("library")

    copy = data_dirs.ensure_program_dir(closed, ("server", "server.libs", "not there"), CURRENT_USER)

    assert copy != closed
    assert (copy / "server" / "bin" / "server").stat().st_mode & 0o777 == 0o755
    assert (copy / "server.libs" / "lib.so").stat().st_mode & 0o777 == 0o644
    assert data_dirs.ensure_program_dir(closed, ("server", "server.libs"), CURRENT_USER) == copy
    assert data_dirs.ensure_program_dir(closed, ("server",), None) == closed


def test_a_folder_is_walkable_only_when_all_above_it_are(tmp_path: Path):
    assert is_traversable(OPEN)
    assert is_readable(OPEN)
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not is_traversable(inner)


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD_LOCK,
            str(tmp_path / "lock"),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with file_lock(tmp_path / "lock") as free:
        assert not free
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with file_lock(tmp_path / "lock") as free:
        assert free
