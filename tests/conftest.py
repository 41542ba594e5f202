"""Checks the requests of all tests against `tests/audit_expectations.py`."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from undercroft.core.db import Database
from undercroft.core.telemetry import logs
from undercroft.testing.plugin import RUN_FOLDER

COVERED = "driven"


def covered_folder(config: pytest.Config) -> Path:
    """Where all workers of this run note which routes left an entry."""
    return config.stash[RUN_FOLDER] / COVERED


@pytest_asyncio.fixture(loop_scope="session")
async def database(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """This worker's database; what requests on it leave in the audit log is looked at after the test."""
    from tests import audit_recorder

    with audit_recorder.record_requests() as requests:
        yield database
    await audit_recorder.check(requests, database, covered_folder(request.config))


@pytest.fixture(autouse=True)
def flush_logs() -> Iterator[None]:
    """What waits in the log's buffer is written while this test's output is captured."""
    yield
    logs.flush()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A whole run that is green has driven every route that leaves an entry."""
    config = session.config
    chosen = config.args_source is not config.ArgsSource.TESTPATHS or config.option.keyword or config.option.markexpr
    if chosen or hasattr(config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    from tests.audit_recorder import uncovered_routes

    if missing := uncovered_routes(covered_folder(config)):
        config.get_terminal_writer().line(
            "\nNo test drives these routes of tests/audit_expectations.py through HTTP to a success:\n"
            + "\n".join(missing)
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
