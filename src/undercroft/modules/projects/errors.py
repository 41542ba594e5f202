"""What can go wrong with projects."""

from undercroft.core.errors import NotFound


class ProjectNotFound(NotFound):
    code = "PROJECT_NOT_FOUND"
    message = "There is no such project."
