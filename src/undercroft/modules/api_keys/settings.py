"""Settings of API keys: rotation and maximum number."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class ApiKeySettings(SettingsBase):
    section = "API keys"

    api_key_overlap_hours: float = Field(
        24,
        ge=0,
        le=720,
        description="Hours until the previous key expires after a rotation, unless the request sets it.",
    )
    api_keys_max: int = Field(50, ge=1, le=10_000, description="Maximum number of API keys per user and per team.")

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.api_key_overlap_hours)
