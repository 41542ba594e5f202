"""Read-only views of teams and memberships in `/admin`."""

from undercroft.core.admin import AdminView, daily_chart
from undercroft.modules.teams.models import Membership, Team


class TeamView(AdminView, model=Team):
    name = "Team"
    icon = "fa-solid fa-people-group"
    category = "Accounts"
    label = "name"
    references = {"personal_user_id": "user"}
    column_list = ["name", "slug", "personal_user_id", "require_mfa", "created_at", "deleted_at"]
    column_searchable_list = ["name", "slug"]
    column_sortable_list = ["name", "slug", "created_at"]
    column_default_sort = ("created_at", True)


class MembershipView(AdminView, model=Membership):
    name = "Membership"
    icon = "fa-solid fa-user-tag"
    category = "Accounts"
    references = {"user_id": "user", "team_id": "team"}
    column_list = ["user_id", "team_id", "role", "created_at"]
    column_searchable_list = ["user_id", "team_id", "role"]
    column_sortable_list = ["role", "created_at"]
    column_default_sort = ("created_at", True)


CHARTS = (daily_chart("New teams", Team),)
