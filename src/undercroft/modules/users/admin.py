"""Users in `/admin`, changed through the service, which checks permissions."""

from collections.abc import Mapping
from typing import Any

from sqladmin.filters import BooleanFilter, StaticValuesFilter

from undercroft.core.admin import AdminView, daily_chart, enum_choices
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.db import Session
from undercroft.modules.users.models import User
from undercroft.modules.users.schemas import UserAdminUpdate
from undercroft.modules.users.service import UserService


class UserEdit(UserAdminUpdate):
    is_active: bool = True


class UserView(AdminView, model=User):
    name = "User"
    icon = "fa-solid fa-user"
    category = "Accounts"
    label = "email"
    schema = UserEdit
    choices = {"role": PlatformRole}
    column_list = ["email", "full_name", "role", "is_active", "second_factors", "created_at"]
    groups = {
        "Account": ["email", "email_verified_at", "role", "is_active", "second_factors"],
        "Profile": ["full_name", "locale", "timezone", "avatar_url", "notifications"],
    }
    column_searchable_list = ["email", "full_name"]
    column_sortable_list = ["email", "full_name", "role", "created_at"]
    column_default_sort = ("created_at", True)
    column_filters = [StaticValuesFilter("role", values=enum_choices(PlatformRole)), BooleanFilter("is_active")]

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:
        """Update a user. Raises `RoleTooWeak`, `LastSuperadmin`."""
        service = UserService(session)
        profile = {name: value for name, value in values.items() if name != "is_active"}
        if profile:
            await service.update_as_admin(row.id, profile, by=by)
        if "is_active" in values:
            await (service.activate if values["is_active"] else service.deactivate)(row.id, by=by)


CHARTS = (daily_chart("New users", User),)
