"""Projects of a team: the example to copy for a new module."""

from undercroft.core import Module
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.resources import ProjectResource

MODULE = Module(requires=("teams",), optional=True)

__all__ = ["MODULE", "Project", "ProjectResource"]
