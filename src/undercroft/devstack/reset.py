"""Deletes the data of the embedded servers."""

from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs, state


def reset(folder: Path) -> None:
    """Delete the data of PostgreSQL and Valkey. Raises `ConfigurationError` while `undercroft dev` is running."""
    if not folder.exists():
        return
    if state.is_running(folder):
        raise ConfigurationError("`undercroft dev` is using these data. Stop it first.")
    for name in ("postgres", "valkey"):
        data_dirs.delete_data_dir(folder, name)
    (folder / "dev.json").unlink(missing_ok=True)
