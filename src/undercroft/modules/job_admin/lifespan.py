"""Tells the ready endpoint whether jobs are worked off."""

from fastapi import FastAPI

from undercroft.jobs.health import jobs_component


async def start(app: FastAPI) -> None:
    app.state.health.add(jobs_component(app.state.database))
