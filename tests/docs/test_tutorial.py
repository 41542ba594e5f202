"""The tutorial is executed from top to bottom, with real processes, as a reader does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.projects import prepare_terminal, remove_stack
from tests.docs.walkthrough import ROOT, Walkthrough
from undercroft.testing.servers import Servers


@pytest.fixture
def terminal(tmp_path: Path, servers: Servers) -> Iterator[Walkthrough]:
    # `make test` in the tutorial runs a dozen tests: starting workers for them would take longer.
    terminal = prepare_terminal(tmp_path, servers, PYTEST_XDIST_AUTO_NUM_WORKERS="0")
    yield terminal
    terminal.stop()
    remove_stack(terminal.folder)


def test_tutorial_reaches_its_end(terminal: Walkthrough) -> None:
    terminal.run(ROOT / "docs" / "tutorial.md")
