"""The current job, as a task sees it."""

import pytest

from undercroft.jobs import current_job


def test_code_outside_a_job_has_no_current_job() -> None:
    with pytest.raises(LookupError, match="No job is running here"):
        current_job()
