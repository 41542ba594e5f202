from collections.abc import Iterator

import pytest

from tests.jobs import sample_tasks, unresponsive_tasks
from undercroft.app.discovery import defined_in
from undercroft.jobs import Task
from undercroft.testing import add_declarations


@pytest.fixture(autouse=True)
def declared_tasks() -> Iterator[None]:
    """Add the sample tasks to the application."""
    with add_declarations(*defined_in(sample_tasks, Task), *defined_in(unresponsive_tasks, Task)):
        yield
