"""Adds the job queue to the readiness check."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.health import Health
from undercroft.jobs.health import jobs_component


async def start(context: AppContext) -> None:
    context.get(Health).add(jobs_component(context.get(Database)))
