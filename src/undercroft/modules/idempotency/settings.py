"""Settings of idempotency keys."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class IdempotencySettings(SettingsBase):
    section = "Idempotency"

    idempotency_hours: float = Field(
        24, gt=0, le=720, description="Hours for which the response of a request with an Idempotency-Key is stored."
    )
    idempotency_max_response: int = Field(
        262_144, ge=0, description="Largest response that is stored for retries, in bytes."
    )

    @property
    def retention(self) -> timedelta:
        return timedelta(hours=self.idempotency_hours)
