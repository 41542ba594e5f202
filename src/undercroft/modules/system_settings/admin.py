"""Settings in `/admin`."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field
from sqladmin.filters import AllUniqueStringValuesFilter

from undercroft.core.admin import AdminView
from undercroft.core.auth import Principal, require_recent_authentication
from undercroft.core.db import Session
from undercroft.core.runtime_settings import runtime_settings
from undercroft.core.validation import UpdateSchema
from undercroft.modules.system_settings.models import VALUE_LENGTH, SystemSetting
from undercroft.modules.system_settings.service.settings import SettingService, get_setting

HINT = (
    "In the notation of the environment variable: lists are separated by commas, announcements are JSON. "
    "Leave it empty to return to the value of the environment."
)


class SettingForm(UpdateSchema):
    value: str | None = Field(None, max_length=VALUE_LENGTH)


def format_value(row: SystemSetting, _name: str, *_: Any) -> str:
    """The value, or the one of the environment that applies instead."""
    declared = runtime_settings().get(row.name)
    if row.value is not None:
        return row.value if declared else f"{row.value} (unused)"
    if declared is None or declared.default in (None, []):
        return "not set"
    default = declared.default
    return f"{default if isinstance(default, str) else json.dumps(default)} (environment)"


class SystemSettingView(AdminView, model=SystemSetting):
    name = "Setting"
    icon = "fa-solid fa-sliders"
    category = "Operation"
    label = "name"
    schema = SettingForm
    form_args = {"value": {"description": HINT}}
    references = {"changed_by": "user"}
    column_list = ["name", "value", "section", "changed_by", "updated_at"]
    column_details_list = ["name", "section", "description", "value", "changed_by", "updated_at", "version"]
    column_formatters = {"value": format_value}
    column_formatters_detail = {"value": format_value}
    column_searchable_list = ["name", "description"]
    column_sortable_list = ["name", "section", "updated_at"]
    column_default_sort = "name"
    column_filters = [AllUniqueStringValuesFilter("section")]

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:
        """Change or reset a setting. Raises `InvalidSetting`, `SettingNotFound`, `StepUpRequired`."""
        service, text = SettingService(session, by.user_id), values["value"]
        if not text:
            await service.reset_row(row)
            return
        require_recent_authentication(by)
        await service.save(get_setting(row.name), row, text)
