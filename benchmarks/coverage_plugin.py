"""A pytest plugin that records which test executes which line, in `COVERAGE_FILE` with a suffix per process."""

import os
from collections.abc import Generator

import pytest
from coverage import Coverage

_coverage = Coverage(
    data_file=os.environ["COVERAGE_FILE"],
    data_suffix=True,
    source=["src/undercroft"],
    concurrency=["greenlet", "thread"],
    config_file=False,
)
_coverage.start()  # while plugins load, so that lines executed by imports are not attributed to a test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _coverage.switch_context(item.nodeid)
    return (yield)


def pytest_sessionfinish() -> None:
    _coverage.stop()
    _coverage.save()
