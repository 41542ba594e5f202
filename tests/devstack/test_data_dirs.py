"""Data and program directories: an unprivileged server can use them, and no permissions are relaxed."""

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
    print("locked", flush=True)
    time.sleep(60)
"""
CURRENT_USER = ServerUser(os.getuid(), os.getgid())
OPEN = Path("/tmp" if sys.platform == "linux" else "/private/tmp")


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that other users cannot traverse, and a replacement for `/var/lib/undercroft`."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr(data_dirs, "SYSTEM_DATA_DIR", tmp_path / "outside")
    return home


def test_data_dir_of_the_current_user_is_in_the_state_folder(tmp_path: Path):
    folder = data_dirs.ensure_data_dir(tmp_path / "state", "postgres", None)

    assert folder == (tmp_path / "state" / "postgres").resolve()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_data_dir_below_a_private_directory_is_a_link_to_the_system_directory(closed: Path):
    state = closed / "project" / ".undercroft"
    state.parent.mkdir()

    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    assert folder.is_relative_to(data_dirs.SYSTEM_DATA_DIR.resolve())
    assert (state / "postgres").is_symlink()
    assert (state / "postgres").resolve() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_mode & 0o777 == 0o700
    assert data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER) == folder


def test_new_project_does_not_see_data_of_a_deleted_project_at_the_same_path(closed: Path):
    state = closed / ".undercroft"
    (data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER) / "secret").touch()
    (state / "postgres").unlink()

    assert not list(data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER).iterdir())


def test_moved_project_retains_its_data_when_another_takes_its_path(closed: Path):
    (data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER) / "precious").touch()
    (closed / "shop").rename(closed / "moved")

    assert not list(data_dirs.ensure_data_dir(closed / "shop", "postgres", CURRENT_USER).iterdir())
    assert [path.name for path in data_dirs.ensure_data_dir(closed / "moved", "postgres", CURRENT_USER).iterdir()] == [
        "precious"
    ]


def test_data_below_a_private_directory_are_moved_to_the_system_directory(closed: Path):
    state = closed / ".undercroft"
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "precious").touch()

    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    assert folder.is_relative_to(data_dirs.SYSTEM_DATA_DIR.resolve())
    assert [path.name for path in folder.iterdir()] == ["precious"]


def test_copied_project_cannot_use_the_data_of_the_original(closed: Path):
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


def test_delete_data_dir_removes_data_and_link(closed: Path):
    state = closed / ".undercroft"
    folder = data_dirs.ensure_data_dir(state, "postgres", CURRENT_USER)

    data_dirs.delete_data_dir(state, "postgres")

    assert not folder.exists()
    assert not folder.parent.exists()
    assert not (state / "postgres").is_symlink()


def test_unreadable_programs_are_copied_once_with_relative_paths(closed: Path):
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


def test_directory_is_traversable_only_when_all_parents_are(tmp_path: Path):
    assert is_traversable(OPEN)
    assert is_readable(OPEN)
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not is_traversable(inner)


def test_file_lock_is_released_when_the_process_is_killed(tmp_path: Path):
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
