"""Which changes of files restart the development server."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from undercroft.devstack.file_watcher import FileWatcher


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[FileWatcher]:
    (tmp_path / "extensions" / "hotel" / "tests").mkdir(parents=True)
    watcher = FileWatcher(tmp_path)
    assert watcher.start()
    yield watcher
    watcher.stop()


def test_only_files_that_the_application_reads_restart_it(tmp_path: Path, watcher: FileWatcher) -> None:
    hotel = tmp_path / "extensions" / "hotel"
    attempts = range(200)
    for number in attempts:  # until the threads watch
        (hotel / "tests" / "test_rooms.py").write_text(f"a = {number}\n")
        (hotel / "README.md").write_text(f"{number}\n")
        (hotel / "views.py").write_text(f"a = {number}\n")
        if path := watcher.pop_change():
            break
        time.sleep(0.1)
    assert path == "extensions/hotel/views.py"
