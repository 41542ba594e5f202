"""How long an administrator may act as somebody."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ImpersonationSettings(SettingsBase):
    section = "Impersonation"

    impersonation_minutes: float = Field(
        15, gt=0, le=60, description="Minutes for which an administrator may act as somebody."
    )

    @property
    def lifetime(self) -> timedelta:
        return timedelta(minutes=self.impersonation_minutes)
