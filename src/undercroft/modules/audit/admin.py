"""Read-only view of the audit log in `/admin`."""

from sqladmin.filters import StaticValuesFilter

from undercroft.core.admin import AdminView, enum_choices
from undercroft.core.audit import ActorKind
from undercroft.modules.audit.models import AuditEntry


class AuditView(AdminView, model=AuditEntry):
    name = "Audit entry"
    name_plural = "Audit log"
    icon = "fa-solid fa-book"
    category = "Operation"
    label = "action"
    choices = {"actor_kind": ActorKind}
    references = {"user_id": "user", "impersonator_id": "user", "team_id": "team"}
    column_list = ["occurred_at", "action", "user_id", "impersonator_id", "target_type", "target_id", "team_id"]
    column_searchable_list = ["action", "target_type", "target_id", "user_id", "request_id"]
    column_sortable_list = ["occurred_at", "action"]
    column_default_sort = ("occurred_at", True)
    column_filters = [StaticValuesFilter("actor_kind", values=enum_choices(ActorKind))]
