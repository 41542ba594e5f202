"""Checks the emails of all tests against `tests/email_expectations.py`, and that tests cover all audited routes."""

import os
from collections.abc import AsyncIterator
from itertools import filterfalse, groupby

import pytest
import pytest_asyncio

from undercroft.core.db import Database
from undercroft.testing.audit import RecordedRequest, uncovered_routes
from undercroft.testing.plugin import RUN_FOLDER

SLOWEST = (
    *("docs/test_tutorial", "docs/test_extending"),
    *("devstack/test_dev", "jobs/test_supervision", "jobs/test_claims", "jobs/test_killed_workers"),
    *("app/test_pooler", "app/test_startup", "app/test_installed_extension", "core/db/test_downgrades"),
    *("testing/test_attack", "test_packaging", "cli/test_commands", "lint/test_check", "cli/test_failures"),
    *("scaffolding/test_new_extension", "cli/test_extension", "core/db/test_interrupted_migrations"),
    *("modules/web/test_second_factor_in_chromium", "scaffolding/client/test_typescript"),
)
"""Files that take half a minute, mostly waiting for a program. They are spread over the first half of the run: then
the other workers use the cores, and no worker has one of them left when the others have ended."""


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: many tests wait for a program."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def is_slow(item: pytest.Item) -> bool:
        return item.nodeid.partition(".py")[0].removeprefix("tests/") in SLOWEST

    slow = [list(group) for _, group in groupby(filter(is_slow, items), key=lambda item: item.path)]
    fast = [list(group) for _, group in groupby(filterfalse(is_slow, items), key=lambda item: item.path)]
    gap, files = len(fast) // (2 * len(slow) or 1) + 1, list[list[pytest.Item]]()
    while slow or fast:
        files += slow[:1] + fast[:gap]
        slow, fast = slow[1:], fast[gap:]
    items[:] = [item for file in files for item in file]


@pytest_asyncio.fixture(loop_scope="session")
async def database(database: Database, recorded_requests: list[RecordedRequest]) -> AsyncIterator[Database]:
    """This worker's database; after the test, its requests must have sent the emails of their audit entries."""
    from tests.email_expectations import find_missing_emails

    yield database
    if missing := await find_missing_emails(recorded_requests, database):
        pytest.fail("\n".join([*missing, "Send the email, or correct `tests/email_expectations.py`."]))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In a complete run without failures, every audited route recorded an entry."""
    config = session.config
    options = config.option
    chosen = options.keyword or options.markexpr or getattr(options, "lf", False)
    chosen = chosen or config.args_source is not config.ArgsSource.TESTPATHS
    if chosen or hasattr(config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    if missing := uncovered_routes(config.stash[RUN_FOLDER]):
        config.get_terminal_writer().line("\nNo test calls these audited routes successfully:\n" + "\n".join(missing))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
