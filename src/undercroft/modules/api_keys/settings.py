"""How API keys are rotated, and how many there may be."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ApiKeySettings(SettingsBase):
    section = "API keys"

    api_key_overlap_hours: float = Field(
        24, ge=0, le=720, description="Hours for which the earlier key goes on after a rotation that says nothing else."
    )
    api_keys_most: int = Field(50, ge=1, le=10_000, description="How many API keys a user, or a team, may have.")

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.api_key_overlap_hours)
