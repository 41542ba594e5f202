"""Adds the job queue to the readiness check."""

from fastapi import FastAPI

from undercroft.jobs.health import jobs_component


async def start(app: FastAPI) -> None:
    app.state.health.add(jobs_component(app.state.database))
