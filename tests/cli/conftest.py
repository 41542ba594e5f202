"""Stops the fork server after the tests."""

from collections.abc import Iterator

import pytest

from tests.cli.command_runner import get_fork_server


@pytest.fixture(scope="session", autouse=True)
def close_fork_server() -> Iterator[None]:
    yield
    if get_fork_server.cache_info().currsize:
        with get_fork_server() as process:
            assert process.stdin is not None
            process.stdin.close()
        get_fork_server.cache_clear()
