"""When a scheduled task runs: five crontab fields, read in a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from undercroft.jobs.errors import InvalidTask


class Cron(Struct, frozen=True):
    """A crontab expression and the time zone of its clock. Raises `InvalidTask` when it names no moment."""

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise InvalidTask(f"{self.expression!r} is not a schedule. Write five fields, as in '0 2 * * *' (02:00).")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise InvalidTask(f"{self.timezone!r} is not a time zone. Write one such as 'Europe/Berlin'.") from None
        self.next_after(datetime.now(UTC))

    def next_after(self, moment: datetime) -> datetime:
        """The first scheduled moment after this one, in UTC; clock changes are handled as Debian's cron does.

        A fixed time that is skipped when clocks are set forward runs right after the gap; one that comes twice when
        they are set back runs the first time only. Where the minute or the hour field begins with `*` the schedule
        follows the clock as it shows: never in the skipped hour, twice in the repeated one.
        """
        try:
            for tick in CronSim(self.expression, moment.astimezone(ZoneInfo(self.timezone))):
                # In the repeated hour the library returns fixed times of its first round again, which are over.
                if (found := tick.astimezone(UTC)) > moment:
                    return found
        except CronSimError as error:
            raise InvalidTask(f"{self.expression!r} is not a schedule: {str(error).lower()}.") from None
        raise InvalidTask(f"{self.expression!r} is not a schedule: no day matches it.")
