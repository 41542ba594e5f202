"""Connects a command to the stack of the `undercroft dev` that is running in this folder."""

import os
from pathlib import Path

from undercroft.core import settings
from undercroft.devstack import state as dev_state
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.state import DevState


def attach(folder: Path) -> bool:
    """Set the environment variables of the running stack in this process.

    Returns False, without setting anything, if no stack is running or the project sets DATABASE_URL or ENVIRONMENT.
    """
    project = ProjectEnvironment()
    if project.has_database or project.value("ENVIRONMENT") or not dev_state.is_running(folder):
        return False
    state = DevState.read(folder)
    os.environ.update(project.environment(state))
    if not project.has_redis and state.valkey_port:
        os.environ["REDIS_URL"] = f"redis://:{state.valkey_password}@127.0.0.1:{state.valkey_port}/0"
    settings.reset()
    return True
