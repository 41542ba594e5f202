"""Factories for tests of tenant isolation, and exemptions."""

from undercroft.core.audit import ActorKind
from undercroft.modules.audit.models import AuditEntry
from undercroft.testing.attack import new_row

IDS = {
    "audit_entry_id": new_row(
        AuditEntry,
        action="project.created",
        actor_kind=ActorKind.USER.value,
        user_id=lambda owner: owner.person.user_id,
        team_id=lambda owner: owner.team_id,
        details=lambda owner: {"name": owner.marker},
    )
}
SHARED_IDS = {"request_id": "clients may choose it, and find it only in their own audit entries"}
