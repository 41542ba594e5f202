"""The pytest plugin of Undercroft. It costs nothing until a test asks for one of its fixtures.

PostgreSQL and Valkey are started once per run, by the first test that wants them, and shared by all xdist workers.
With TEST_DATABASE_URL (a role that may create databases) and TEST_REDIS_URL those servers are used instead.
"""

import os
import secrets
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

RUN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    handed_down = getattr(config, "workerinput", {}).get("undercroft_run_folder")
    config.stash[RUN_FOLDER] = Path(handed_down) if handed_down else _new_folder()
    if find_spec("pytest_asyncio") is not None:
        from undercroft.testing import fixtures

        config.pluginmanager.register(fixtures, "undercroft.fixtures")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["undercroft_run_folder"] = str(node.config.stash[RUN_FOLDER])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(RUN_FOLDER, None)
    if folder is None or hasattr(config, "workerinput") or not folder.exists():
        return
    from undercroft.testing.servers import stop_servers

    stop_servers(folder)


def _new_folder() -> Path:
    return Path(tempfile.gettempdir()).resolve() / f"undercroft-test-{os.getpid()}-{secrets.token_hex(4)}"
