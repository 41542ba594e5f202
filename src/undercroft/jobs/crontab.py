"""Crontab expressions with five fields and a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from undercroft.jobs.errors import InvalidTask


class Cron(Struct, frozen=True):
    """A crontab expression and its time zone. Raises `InvalidTask` if it is invalid or matches no date."""

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise InvalidTask(f"{self.expression!r} is not a schedule. Use five fields, such as '0 2 * * *' (02:00).")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise InvalidTask(f"{self.timezone!r} is not a time zone. Use a name such as 'Europe/Berlin'.") from None
        self.next_after(datetime.now(UTC))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first scheduled time after `moment`, in UTC. Daylight saving changes follow Debian's cron.

        A fixed time in the skipped hour runs right after the gap; one in the repeated hour runs only the first time.
        If the minute or the hour field begins with `*`, the schedule follows the local clock: it does not run in the
        skipped hour and runs twice in the repeated one.
        """
        try:
            for tick in CronSim(self.expression, moment.astimezone(ZoneInfo(self.timezone))):
                # In the repeated hour, the library returns fixed times again that have already passed.
                if (found := tick.astimezone(UTC)) > moment:
                    return found
        except CronSimError as error:
            raise InvalidTask(f"{self.expression!r} is not a schedule: {str(error).lower()}.") from None
        raise InvalidTask(f"{self.expression!r} is not a schedule: no day matches it.")
