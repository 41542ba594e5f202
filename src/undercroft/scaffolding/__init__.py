"""`undercroft new` and `undercroft new-extension`: projects and extensions, rendered from the files in `templates/`."""

from undercroft.scaffolding.agents import update_agents
from undercroft.scaffolding.extension import CreatedExtension, create_extension
from undercroft.scaffolding.project import CreatedProject, create_project

__all__ = ["CreatedExtension", "CreatedProject", "create_extension", "create_project", "update_agents"]
