"""Building blocks for a module's `admin.py`, which is imported on the first request to `/admin`, not at startup.

class ProjectView(AdminView, model=Project):
    category = "Product"
    column_list = ["name", "team_id", "status", "created_at"]
    column_searchable_list = ["name"]
    references = {"team_id": "team"}
    schema = ProjectUpdate  # the fields that may be edited, and their validation

CHARTS = (daily_chart("New projects", Project),)
"""

from undercroft.core.admin.charts import Chart, Series, daily_chart
from undercroft.core.admin.columns import enum_choices, enum_field_args
from undercroft.core.admin.view import AdminView

__all__ = ["AdminView", "Chart", "Series", "daily_chart", "enum_choices", "enum_field_args"]
