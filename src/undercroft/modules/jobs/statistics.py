"""Counts of background jobs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field
from sqlalchemy import FromClause
from sqlmodel import col

from undercroft.core.statistics import DAY, Count, Statistics, count_rows
from undercroft.jobs.models import Job, JobStatus


class JobStatistics(Statistics):
    section = "jobs"

    by_status: dict[str, Count] = Field(description="Jobs by status.", examples=[{"queued": 3}])
    failed_24_hours: Count = Field(description="Jobs that failed in the last 24 hours.")

    @classmethod
    def query(cls, now: datetime) -> FromClause:
        by_status: dict[str, Any] = {status.value: col(Job.status) == status.value for status in JobStatus}
        failed = (col(Job.status) == JobStatus.FAILED.value) & (col(Job.finished_at) > now - DAY)
        return count_rows(Job, failed_24_hours=failed, **by_status)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int]) -> Self:
        by_status = {name: count for name, count in counts.items() if name != "failed_24_hours"}
        return cls(by_status=by_status, failed_24_hours=counts["failed_24_hours"])
