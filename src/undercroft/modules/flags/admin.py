"""Rules of flags in `/admin`."""

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator
from sqladmin.filters import BooleanFilter
from wtforms import FloatField, TextAreaField

from undercroft.core.admin import AdminView
from undercroft.core.audit import changes
from undercroft.core.auth import Principal
from undercroft.core.db import Session
from undercroft.modules.flags.models import FlagRule, FlagUnit
from undercroft.modules.flags.schemas import FlagRuleUpdate
from undercroft.modules.flags.service.rules import FlagRuleService

ONE_A_LINE = "one a line"


def format_percentage(row: FlagRule, *_: Any) -> str:
    return f"{row.percentage:g}% of {row.unit}s"


class IdListField(TextAreaField):  # type: ignore[misc]
    """IDs, one a line."""

    def _value(self) -> str:
        return self.data if isinstance(self.data, str) else "\n".join(map(str, self.data or ()))


class FlagRuleForm(FlagRuleUpdate):
    """The same fields, with lists as text."""

    @field_validator("users", "teams", mode="before")
    @classmethod
    def _split(cls, ids: Any) -> Any:
        return ids.replace(",", " ").split() if isinstance(ids, str) else ids


class FlagRuleView(AdminView, model=FlagRule):
    name = "Feature flag"
    icon = "fa-solid fa-flag"
    category = "Operation"
    label = "key"
    schema = FlagRuleForm
    choices = {"unit": FlagUnit}
    form_overrides = {"percentage": FloatField, "users": IdListField, "teams": IdListField}
    form_args = {
        "percentage": {"description": "Share of the users or teams that have the feature while it is enabled."},
        "users": {"description": f"IDs of users that always have the feature while it is enabled, {ONE_A_LINE}."},
        "teams": {"description": f"IDs of teams that always have the feature while it is enabled, {ONE_A_LINE}."},
    }
    column_labels = {"is_default": "Default", "is_declared": "In use", "percentage": "Share"}
    column_formatters = {"percentage": format_percentage}
    column_formatters_detail = {"percentage": format_percentage}
    column_list = ["key", "description", "enabled", "percentage", "is_default", "is_declared"]
    column_details_list = [
        *("key", "description", "enabled", "percentage", "unit", "users", "teams", "starts_at", "ends_at"),
        *("is_default", "is_declared", "updated_at", "version"),
    ]
    column_searchable_list = ["key", "description"]
    column_sortable_list = ["key", "updated_at"]
    column_default_sort = "key"
    column_filters = [
        BooleanFilter("enabled"),
        BooleanFilter("is_default", title="Default"),
        BooleanFilter("is_declared", title="In use"),
    ]

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:  # noqa: ARG002
        """Change the rule. Raises `InvalidFlagSchedule`."""
        before, after = changes(row, values)
        await FlagRuleService(session).save(row, before, after)
