"""How long the audit log is kept."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class AuditSettings(SettingsBase):
    section = "Audit log"

    audit_keep_months: int = Field(
        24,
        ge=0,
        le=1200,
        description="Whole months of the audit log that `undercroft audit prune` leaves, beside the current one; "
        "0 keeps all of it.",
    )
