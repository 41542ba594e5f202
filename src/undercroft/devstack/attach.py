"""Lets a command work on the stack of the `undercroft dev` that runs in this folder."""

import os
from pathlib import Path

from undercroft.core import settings
from undercroft.devstack import state
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.state import DevState


def attach(folder: Path) -> bool:
    """Give this process the environment of the stack that runs there, and say whether it was given.

    It is not when none runs, and when the project names a database or an environment itself.
    """
    surroundings = ProjectEnvironment()
    if surroundings.has_database or surroundings.value("ENVIRONMENT") or not state.is_running(folder):
        return False
    kept = DevState.read(folder)
    os.environ.update(surroundings.environment(kept))
    if not surroundings.has_redis and kept.valkey_port:
        os.environ["REDIS_URL"] = f"redis://:{kept.valkey_password}@127.0.0.1:{kept.valkey_port}/0"
    settings.reset()
    return True
