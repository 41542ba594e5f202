"""Projects of all teams in `/admin`."""

from sqladmin.filters import StaticValuesFilter

from undercroft.core.admin import AdminView, enum_choices
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.schemas import ProjectUpdate


class ProjectView(AdminView, model=Project):
    name = "Project"
    icon = "fa-solid fa-folder"
    category = "Product"
    label = "name"
    schema = ProjectUpdate
    choices = {"status": ProjectStatus}
    can_delete = True
    delete_warning = "The team no longer sees it. Members can restore it."
    references = {"team_id": "team", "created_by": "user"}
    column_list = ["name", "team_id", "status", "created_by", "created_at", "deleted_at"]
    column_searchable_list = ["name", "description"]
    column_sortable_list = ["name", "status", "created_at", "updated_at"]
    column_default_sort = ("created_at", True)
    column_filters = [StaticValuesFilter("status", values=enum_choices(ProjectStatus))]
