"""The warm process is ended with the tests that use it."""

from collections.abc import Iterator

import pytest

from tests.cli.terminal import warm


@pytest.fixture(scope="session", autouse=True)
def warm_process() -> Iterator[None]:
    yield
    if warm.cache_info().currsize:
        with warm() as process:
            assert process.stdin is not None
            process.stdin.close()
        warm.cache_clear()
