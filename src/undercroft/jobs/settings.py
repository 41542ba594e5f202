"""Settings of background jobs."""

from pydantic import Field, model_validator

from undercroft.core.adapters import NAME_PATTERN, find_adapter
from undercroft.core.settings import SettingsBase

KIND = "undercroft.jobs.engines"


class JobsSettings(SettingsBase):
    section = "Background jobs"

    jobs_engine: str = Field(
        "postgres", pattern=NAME_PATTERN, description="Queue engine; `postgres` needs no additional server."
    )
    jobs_concurrency: int = Field(50, ge=1, le=1000, description="Number of jobs that one worker runs concurrently.")
    jobs_redelivery: float = Field(
        15,
        ge=1,
        le=3600,
        description="Seconds without a heartbeat after which another worker takes over a job. Workers send four "
        "heartbeats in this time, so it does not limit the duration of jobs.",
    )
    jobs_poll_interval: float = Field(
        2, gt=0, le=60, description="Seconds between polls of the queue when no notification arrives."
    )
    jobs_poll_interval_pooled: float = Field(
        0.5, gt=0, le=60, description="Seconds between polls behind a transaction pooler without DATABASE_DIRECT_URL."
    )
    jobs_stop_timeout: float = Field(
        8, ge=0, description="Seconds for running jobs to finish when a worker stops. Then they return to the queue."
    )
    jobs_connections: int = Field(
        3,
        ge=2,
        le=10,
        description="Connections of a worker for the queue. A worker also uses one connection for LISTEN and up to "
        "DB_POOL_SIZE + DB_READ_POOL_SIZE for its jobs.",
    )
    jobs_acquire_timeout: float = Field(
        30,
        gt=0,
        description="Seconds that a job waits for a free connection or a lock. The statement timeout of jobs is the "
        "longest timeout of a task.",
    )
    jobs_retention_days: float = Field(30, gt=0, description="Days for which finished jobs are retained.")
    jobs_sweep_interval: float = Field(
        30, gt=0, description="Seconds between repairs of jobs without a message and messages without a job."
    )

    def require_adapters(self) -> None:
        find_adapter(KIND, self.jobs_engine, "JOBS_ENGINE")

    @model_validator(mode="after")
    def _poll_often_enough(self) -> "JobsSettings":
        if self.jobs_poll_interval > self.jobs_redelivery:
            raise ValueError("JOBS_POLL_INTERVAL must not be greater than JOBS_REDELIVERY")
        return self
