"""How jobs are worked off, and how many connections that may take."""

from typing import Literal

from pydantic import Field, model_validator

from undercroft.core.settings import SettingsBase


class JobsSettings(SettingsBase):
    section = "Background jobs"

    jobs_engine: Literal["postgres"] = Field(
        "postgres", description="What carries the jobs; `postgres` needs no other server."
    )
    jobs_concurrency: int = Field(50, ge=1, le=1000, description="Jobs that one worker runs at the same time.")
    jobs_redelivery: float = Field(
        15,
        ge=1,
        le=3600,
        description="Seconds without a heartbeat after which a job is given to another worker. A worker beats four "
        "times in this time, so a healthy job may take as long as it likes.",
    )
    jobs_poll_interval: float = Field(
        2, gt=0, le=60, description="Seconds between looks at the queue when nothing announces new jobs."
    )
    jobs_poll_interval_pooled: float = Field(
        0.5, gt=0, le=60, description="Seconds between looks behind a transaction pooler without DATABASE_DIRECT_URL."
    )
    jobs_stop_timeout: float = Field(
        8, ge=0, description="Seconds that running jobs get to finish when a worker stops; then they are handed back."
    )
    jobs_connections: int = Field(
        3,
        ge=2,
        le=10,
        description="A worker's connections for the queue itself. In all it holds at most this many, one for LISTEN, "
        "and DB_POOL_SIZE + DB_READ_POOL_SIZE for what its jobs do.",
    )
    jobs_acquire_timeout: float = Field(
        30,
        gt=0,
        description="Seconds a job waits for a free connection or a lock; it has more patience than a request. Its "
        "statements may take as long as the longest task's timeout.",
    )
    jobs_keep_days: float = Field(30, gt=0, description="Days for which finished jobs are kept.")
    jobs_sweep_interval: float = Field(
        30, gt=0, description="Seconds between sweeps for jobs whose message was lost, and messages without a job."
    )

    @model_validator(mode="after")
    def _poll_often_enough(self) -> "JobsSettings":
        if self.jobs_poll_interval > self.jobs_redelivery:
            raise ValueError("JOBS_POLL_INTERVAL must not be longer than JOBS_REDELIVERY")
        return self
