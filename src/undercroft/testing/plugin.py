"""The pytest plugin of Undercroft. It starts nothing until a test uses one of its fixtures.

The first test that needs PostgreSQL or Valkey starts them; all xdist workers share them. Set TEST_DATABASE_URL (a role
with CREATEDB) and TEST_REDIS_URL to use other servers. The extensions that `pyproject.toml` enables and those whose
tests in `extensions/<name>/` run are enabled, unless ENABLED_EXTENSIONS is set. The other settings of `pyproject.toml`
apply as well, those of `.env` do not override them. Tests of modules that DISABLED_MODULES names are left out.
"""

import os
import secrets
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from undercroft.core.modules import EXTENSIONS, add_project_to_path

RUN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    inherited = getattr(config, "workerinput", {}).get("undercroft_run_folder")
    new = Path(tempfile.gettempdir()).resolve() / f"undercroft-test-{os.getpid()}-{secrets.token_hex(4)}"
    config.stash[RUN_FOLDER] = Path(inherited) if inherited else new
    add_project_to_path()
    config.addinivalue_line("markers", "requires_module(*names): needs these built-in modules; see DISABLED_MODULES")
    if disabled := _read_disabled_modules():
        from undercroft.testing.left_out import LeftOutTests

        config.pluginmanager.register(LeftOutTests(disabled, config.rootpath), "undercroft.left_out")
    if find_spec("pytest_asyncio") is not None:
        from undercroft.testing import app_fixtures, fixtures

        config.pluginmanager.register(fixtures, "undercroft.fixtures")
        config.pluginmanager.register(app_fixtures, "undercroft.app_fixtures")


def _read_disabled_modules() -> list[str]:
    from undercroft.core.settings import read_project_settings, split_list

    name = "DISABLED_MODULES"
    value = os.environ[name] if name in os.environ else read_project_settings().get(name.lower(), "")
    try:
        return list(split_list(value))
    except ValueError:
        raise pytest.UsageError(f"{name} must be names separated by commas, or a JSON list.") from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from undercroft.core.settings import read_project_settings, split_list

    if any(item.get_closest_marker("requires_module") for item in items):
        from undercroft.testing.left_out import check_markers

        check_markers(items)
    folder = Path(EXTENSIONS).resolve()
    names = {item.path.relative_to(folder).parts[0] for item in items if item.path.is_relative_to(folder)}
    project = read_project_settings()
    names.update(split_list(project.pop("enabled_extensions", "")))
    if names:
        os.environ.setdefault("ENABLED_EXTENSIONS", ",".join(sorted(names)))
    for name, value in project.items():
        os.environ.setdefault(name.upper(), value)


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
