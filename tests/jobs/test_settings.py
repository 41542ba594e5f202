"""Settings of jobs."""

import pytest
from pydantic import ValidationError

from undercroft.jobs.settings import JobsSettings


def test_queue_is_polled_at_least_once_per_redelivery() -> None:
    with pytest.raises(ValidationError, match="JOBS_POLL_INTERVAL must not be greater than JOBS_REDELIVERY"):
        JobsSettings(jobs_poll_interval=31, jobs_redelivery=30)

    assert JobsSettings(jobs_poll_interval=30, jobs_redelivery=30).jobs_poll_interval == 30
