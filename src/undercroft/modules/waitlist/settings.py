"""Settings of the waiting list."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class WaitlistSettings(SettingsBase):
    section = "Sign-up"
    runtime = ("waitlist_invitation_days", "waitlist_retention_days")

    waitlist_invitation_days: int = Field(
        7, ge=1, le=90, description="Days in which a user invited from the waiting list can create the account."
    )
    waitlist_retention_days: int = Field(
        365, ge=1, le=3650, description="Days after which entries of the waiting list are deleted, invited or not."
    )
