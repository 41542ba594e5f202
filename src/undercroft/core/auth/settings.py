"""Settings of reauthentication and of two-factor authentication for administrators."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import CoreSettings, SettingsBase, load


class StepUpSettings(SettingsBase):
    section = "Two-factor authentication"

    step_up_minutes: float = Field(
        10,
        gt=0,
        le=1440,
        description="Minutes after sign-in or reauthentication that allow sensitive actions.",
    )
    admin_requires_mfa: bool | None = Field(
        None,
        description="Whether administration requires two-factor authentication; if empty, required in production only.",
    )

    @property
    def step_up_lifetime(self) -> timedelta:
        return timedelta(minutes=self.step_up_minutes)

    @property
    def is_admin_mfa_required(self) -> bool:
        return load(CoreSettings).is_production if self.admin_requires_mfa is None else self.admin_requires_mfa
