"""Holds every test that talks to the application to what `tests/audited.py` declares, and to its own lines."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from undercroft.core.db import Database
from undercroft.core.telemetry import logs
from undercroft.testing.plugin import RUN_FOLDER

DRIVEN = "driven"


def driven_folder(config: pytest.Config) -> Path:
    """Where all workers of this run note which routes left an entry."""
    return config.stash[RUN_FOLDER] / DRIVEN


@pytest_asyncio.fixture(loop_scope="session")
async def database(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """This worker's database; what requests on it leave in the audit log is looked at after the test."""
    from tests import trail

    with trail.watching() as seen:
        yield database
    await trail.check(seen, database, driven_folder(request.config))


@pytest.fixture(autouse=True)
def log_lines_stay_with_their_test() -> Iterator[None]:
    """What waits in the log's buffer is written while this test's output is captured."""
    yield
    logs.flush()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A whole run that is green has driven every route that leaves an entry."""
    config = session.config
    chosen = config.args_source is not config.ArgsSource.TESTPATHS or config.option.keyword or config.option.markexpr
    if chosen or hasattr(config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    from tests.trail import undriven

    if missing := undriven(driven_folder(config)):
        config.get_terminal_writer().line(
            "\nNo test drives these routes of tests/audited.py through HTTP to a success:\n" + "\n".join(missing)
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
