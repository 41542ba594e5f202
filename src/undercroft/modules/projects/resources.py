"""Projects of a team: the example to copy for a new module."""

from undercroft.core.crud import Resource
from undercroft.modules.projects.models import Project
from undercroft.modules.teams import ALL_ROLES, WRITERS


class ProjectResource(Resource[Project]):
    """Projects of the current team."""

    model = Project
    readers, writers = ALL_ROLES, WRITERS
    searchable = ("name", "description")
    sortable = ("created_at", "updated_at", "name", "status")
    filters = ("status",)
    example = {"name": "Website", "description": "The new website.", "status": "active"}
    extensible = True
    icon = "fa-solid fa-folder"
    label = "name"
    admin_columns = ("name", "team_id", "status", "created_by", "created_at", "deleted_at")
