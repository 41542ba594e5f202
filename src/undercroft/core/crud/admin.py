"""The view of a resource in `/admin`, which changes rows by the resource's use cases."""

from collections.abc import Mapping
from enum import Enum
from types import new_class
from typing import Any, ClassVar

from sqladmin.filters import StaticValuesFilter
from sqladmin.helpers import slugify_class_name

from undercroft.core.admin import AdminView, enum_choices
from undercroft.core.auth import Principal
from undercroft.core.crud.resource import Resource
from undercroft.core.db import Session, SoftDeleted, TenantOwned
from undercroft.core.db.extra_fields import table_of
from undercroft.core.model_classes import model_classes


class ResourceView(AdminView):
    """Rows of all teams. They can be changed and deleted, not created."""

    resource: ClassVar[type[Resource[Any]]]
    can_delete = True

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:
        await self.resource.for_team(session, row.team_id, by.user_id).change(row, dict(values))

    async def delete_row(self, session: Session, row: Any, *, by: Principal) -> None:
        if getattr(row, "deleted_at", None) is None:
            await self.resource.for_team(session, row.team_id, by.user_id).remove(row)


def build_view(resource: type[Resource[Any]]) -> type[ResourceView]:
    """A view with the resource's `admin_columns`, its search, sort order and filters."""
    model: Any = resource.model
    enums = {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Enum)
    }
    restore = " Members can restore it." if issubclass(model, SoftDeleted) else ""
    options = {
        "resource": resource,
        "name": resource.noun.replace("_", " ").capitalize(),
        "name_plural": resource.plural.replace("_", " ").capitalize(),
        "icon": resource.icon,
        "category": resource.group,
        "label": resource.label,
        "schema": resource.update_schema,
        "choices": enums,
        "delete_warning": f"The team no longer sees it.{restore}",
        "references": {name: view for name in model.model_fields if (view := _referenced_view(model, name))},
        "column_list": list(resource.admin_columns),
        "column_searchable_list": list(resource.searchable),
        "column_sortable_list": list(resource.sortable),
        "column_default_sort": ("created_at", True),
        "column_filters": [
            StaticValuesFilter(name, values=enum_choices(enums[name])) for name in resource.filters if name in enums
        ],
    }
    return new_class(f"{model.__name__}View", (ResourceView,), {"model": model}, lambda body: body.update(options))


def _referenced_view(model: type[TenantOwned], column: str) -> str | None:
    """The identity of the view of the table to which a column refers, by SQLAdmin's convention."""
    targets = [key.column.table for key in table_of(model).c[column].foreign_keys]
    return next((slugify_class_name(each.__name__) for each in model_classes() if table_of(each) in targets), None)
