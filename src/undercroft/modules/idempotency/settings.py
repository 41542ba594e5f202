"""How long and how much is kept of what was answered."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.settings import SettingsBase


class IdempotencySettings(SettingsBase):
    section = "Idempotency"

    idempotency_hours: float = Field(
        24, gt=0, le=720, description="Hours for which a request with an Idempotency-Key is answered again."
    )
    idempotency_max_answer: int = Field(
        262_144, ge=0, description="The largest answer that is kept for a repeat, in bytes."
    )

    @property
    def retention(self) -> timedelta:
        return timedelta(hours=self.idempotency_hours)
