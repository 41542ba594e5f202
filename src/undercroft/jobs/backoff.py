"""The delay before a failed job is retried."""

import random

from msgspec import Struct


class Backoff(Struct, frozen=True):
    """Exponential backoff: `initial` seconds before the second attempt, multiplied by `factor` for each further one.

    Delays are limited to `maximum` seconds and randomly shortened by up to half, so that jobs which failed together are
    not retried together.
    """

    initial: float = 2
    factor: float = 2
    maximum: float = 3600

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt. The first attempt is 1."""
        exact = min(self.maximum, self.initial * self.factor ** min(attempt - 1, 64))
        return exact * random.uniform(0.5, 1)  # noqa: S311 - jitter, not security
