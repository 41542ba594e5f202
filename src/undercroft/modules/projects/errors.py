"""Errors of the projects module."""

from undercroft.core.errors import NotFound


class ProjectNotFound(NotFound):
    code = "PROJECT_NOT_FOUND"
    message = "Project not found."
