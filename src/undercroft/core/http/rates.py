"""Rates such as `60/minute`."""

import re
from functools import lru_cache

from msgspec import Struct

PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_NOTATION = re.compile(r"(\d{1,9})\s*/\s*(?:(\d{1,5})\s*)?(second|minute|hour|day)s?", re.IGNORECASE)


class Rate(Struct, frozen=True):
    """At most `times` hits in any `seconds`."""

    times: int
    seconds: int

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> "Rate":
        """Parse `60/minute` or `5/10 seconds`. Raises `ValueError` with the expected format."""
        match = _NOTATION.fullmatch(text.strip())
        if match is None or int(match[1]) < 1 or match[2] == "0":
            raise ValueError(f"{text!r} is not a rate: use 60/minute, 5/10 seconds, 1000/hour or 10000/day")
        return Rate(int(match[1]), int(match[2] or 1) * PERIODS[match[3].lower()])

    def scaled(self, factor: float) -> "Rate":
        """The rate with `times` multiplied by a factor, at least 1."""
        return Rate(max(1, round(self.times * factor)), self.seconds)

    def __str__(self) -> str:
        name = next(name for name, seconds in reversed(PERIODS.items()) if self.seconds % seconds == 0)
        count = self.seconds // PERIODS[name]
        return f"{self.times}/{name}" if count == 1 else f"{self.times}/{count} {name}s"
