"""Settings of the audit log."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class AuditSettings(SettingsBase):
    section = "Audit log"

    audit_retention_months: int = Field(
        24,
        ge=0,
        le=1200,
        description="Months of the audit log that `undercroft audit prune` retains, besides the current one; 0 retains "
        "all.",
    )
