"""Watches the project's code, templates, `.env` and `pyproject.toml` for changes."""

import os
import threading
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_WATCHED_SUFFIXES = {".py", ".html", ".txt", ".mako", ".toml", ".json", ".css", ".js", ".svg"}
_IGNORED_FOLDERS = {
    "tests",
    "docs",
    "build",
    "dist",
    "node_modules",
    "console",
    "gateway",
    "deploy",
    "benchmarks",
    "acceptance",
}


class FileWatcher:
    """Watches in a thread until `stop`. Changes within 300 ms count as one."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._stopped = threading.Event()
        self._changed_path = ""

    def start(self) -> bool:
        """Start watching. Returns False if watchfiles is not installed."""
        if find_spec("watchfiles") is None:
            return False
        for paths, deep in ((self._watched_folders(), True), ([self._project], False)):
            if paths:
                threading.Thread(target=self._watch, args=(paths, deep), daemon=True, name="changes").start()
        return True

    def pop_change(self) -> str:
        """Return the path of a file that changed since the last call, or an empty string."""
        path, self._changed_path = self._changed_path, ""
        return path

    def stop(self) -> None:
        self._stopped.set()

    def _watched_folders(self) -> list[Path]:
        entries = self._project.iterdir()
        return [
            entry for entry in entries if entry.is_dir() and entry.name[0] != "." and entry.name not in _IGNORED_FOLDERS
        ]

    def _watch(self, paths: Iterable[Path], deep: bool) -> None:
        from watchfiles import DefaultFilter, watch

        default_filter = DefaultFilter()
        watch_filter = (
            (lambda change, path: default_filter(change, path) and self._is_source(Path(path)))
            if deep
            else _is_root_file
        )
        for changes in watch(*paths, watch_filter=watch_filter, stop_event=self._stopped, recursive=deep, debounce=300):
            self._changed_path = os.path.relpath(min(path for _, path in changes), self._project)

    def _is_source(self, path: Path) -> bool:
        """Whether the application reads the file. It reads no tests; commands prepare files in hidden folders."""
        *folders, name = path.relative_to(self._project).parts
        ignored = "tests" in folders[2:] or any(part[0] == "." for part in (*folders, name))
        return path.suffix in _WATCHED_SUFFIXES and not ignored


def _is_root_file(_: object, path: str) -> bool:
    return Path(path).name in {".env", "pyproject.toml"} or (Path(path).suffix == ".py" and Path(path).is_file())
