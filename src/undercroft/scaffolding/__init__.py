"""`undercroft new`, `new-extension` and `new-module`: rendered from the files in `templates/`."""

from undercroft.scaffolding.agents import update_agents
from undercroft.scaffolding.extension import CreatedExtension, create_extension
from undercroft.scaffolding.module import CreatedModule, create_module
from undercroft.scaffolding.project import CreatedProject, create_project

__all__ = [
    "CreatedExtension",
    "CreatedModule",
    "CreatedProject",
    "create_extension",
    "create_module",
    "create_project",
    "update_agents",
]
