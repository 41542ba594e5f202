"""Administration of background jobs and schedules: view, retry, cancel."""

from undercroft.core import Module
from undercroft.modules.jobs.service import JobService

MODULE = Module(optional=True)

__all__ = ["MODULE", "JobService"]
