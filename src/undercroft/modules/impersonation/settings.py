"""Settings of impersonation."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ImpersonationSettings(SettingsBase):
    section = "Impersonation"

    impersonation_minutes: float = Field(15, gt=0, le=60, description="Lifetime of an impersonation, in minutes.")

    @property
    def lifetime(self) -> timedelta:
        return timedelta(minutes=self.impersonation_minutes)
