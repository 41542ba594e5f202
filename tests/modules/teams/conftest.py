from pathlib import Path

import pytest

from tests.modules.auth.people import Mailbox
from undercroft.testing.jobs import JobsInTest


@pytest.fixture
def mailbox(mailbox_folder: Path, jobs: JobsInTest) -> Mailbox:
    return Mailbox(mailbox_folder, jobs)
