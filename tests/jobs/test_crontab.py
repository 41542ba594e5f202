from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from undercroft.jobs.registry import Cron

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def local_times(expression: str, zone: str, after: str, count: int) -> list[str]:
    moment, times = datetime.fromisoformat(after), []
    for _ in range(count):
        moment = Cron(expression, zone).next_after(moment)
        assert moment.tzinfo is UTC
        times.append(moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z"))
    return times


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("0 2 * * *", "UTC", "2026-01-01T02:00:00+00:00", "2026-01-02T02:00:00+00:00"),
        ("0 2 * * *", "UTC", "2026-01-01T01:59:59.999+00:00", "2026-01-01T02:00:00+00:00"),
        ("0 9 * * mon", BERLIN, "2026-11-21T12:00:00+00:00", "2026-11-23T08:00:00+00:00"),
        ("59 23 29 2 *", "UTC", "2026-01-01T00:00:00+00:00", "2028-02-29T23:59:00+00:00"),
        ("0 0 1 * *", NEW_YORK, "2026-11-01T12:00:00+00:00", "2026-12-01T05:00:00+00:00"),
    ],
    ids=["daily", "a-moment-before", "weekday", "leap-day", "time-zone-west"],
)
def test_next_run_follows_the_local_clock(expression: str, zone: str, after: str, expected: str) -> None:
    assert Cron(expression, zone).next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


SPRING, AUTUMN = "2026-03-28T22:30:00+00:00", "2026-10-24T21:30:00+00:00"


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * *", SPRING, ["29 03:00+0200", "30 02:30+0200"]),
        ("0 1,2,3 * * *", SPRING, ["29 01:00+0100", "29 03:00+0200", "30 01:00+0200"]),
        ("0 */2 * * *", SPRING, ["29 00:00+0100", "29 04:00+0200", "29 06:00+0200"]),
        ("0 * * * *", SPRING, ["29 00:00+0100", "29 01:00+0100", "29 03:00+0200"]),
        ("*/30 2 * * *", SPRING, ["30 02:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", AUTUMN, ["25 02:30+0200", "26 02:30+0100"]),
        ("0 1,2,3 * * *", AUTUMN, ["25 01:00+0200", "25 02:00+0200", "25 03:00+0100"]),
        ("0 */2 * * *", AUTUMN, ["25 00:00+0200", "25 02:00+0200", "25 02:00+0100", "25 04:00+0100"]),
        ("0 * * * *", AUTUMN, ["25 00:00+0200", "25 01:00+0200", "25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]),
        ("*/30 2 * * *", AUTUMN, ["25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100"]),
    ],
)
def test_next_run_across_daylight_saving_changes(expression: str, after: str, expected: list[str]) -> None:
    assert local_times(expression, BERLIN, after, len(expected)) == expected


def test_next_run_within_the_repeated_hour_is_not_in_the_past() -> None:
    repeated = datetime.fromisoformat("2026-10-25T01:40:00+00:00")
    assert repeated.astimezone(ZoneInfo(BERLIN)).strftime("%H:%M%z") == "02:40+0100"
    assert Cron("45 2 * * *", BERLIN).next_after(repeated) == datetime.fromisoformat("2026-10-26T01:45:00+00:00")


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, LORD_HOWE])
@pytest.mark.parametrize("expression", ["30 2 * * *", "15 1,2,3 * * *", "0 */2 * * *", "*/20 * * * *", "45 2 * * sun"])
def test_next_run_is_always_later_and_fixed_times_run_once_a_day(expression: str, zone: str) -> None:
    schedule = Cron(expression, zone)
    for minutes in range(0, 3 * 24 * 60, 7):
        for start in ("2026-03-28", "2026-10-24", "2026-10-31", "2026-04-04", "2026-10-03"):
            moment = datetime.fromisoformat(f"{start}T00:00:00+00:00") + timedelta(minutes=minutes)
            assert schedule.next_after(moment) > moment
