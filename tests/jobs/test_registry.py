import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Secret, SecretStr

from undercroft.jobs import Backoff, CurrentJob, InvalidTask, cron, task
from undercroft.jobs.registry import Tasks, tasks
from undercroft.testing import add_declarations


class WithSecret(BaseModel):
    inner: list[SecretStr | None]


@dataclass
class DataWithSecret:
    inner: "SecretStr"


def test_task_is_named_after_its_module_and_function() -> None:
    async def paint_the_house() -> None: ...

    paint_the_house.__module__ = "undercroft.modules.auth.tasks"
    painting = task()(paint_the_house)
    assert painting.name == "auth.paint_the_house"
    with add_declarations(painting):
        assert tasks()["auth.paint_the_house"] is painting
    paint_the_house.__module__ = "extensions.hotel.tasks.rooms"
    assert task()(paint_the_house).name == "hotel.paint_the_house"


def test_task_can_be_called_directly() -> None:
    @task()
    def double(*, n: int) -> int:
        return n * 2

    assert double(n=2) == 4


def test_task_name_can_be_set() -> None:
    @task(name="mail.send", queue="mail")
    async def anything() -> None: ...

    with add_declarations(anything):
        assert tasks("mail") == {"mail.send": anything}
    assert tasks("mail") == {}


def test_duplicate_task_name_is_refused() -> None:
    async def one() -> None: ...

    async def two() -> None: ...

    both = [task(name="same.name")(one), task(name="same.name")(two)]
    lines = [re.escape(f"{__file__}:{each.__code__.co_firstlineno}") for each in (two, one)]
    with pytest.raises(InvalidTask, match=rf"Two tasks have the name same\.name: {lines[0]} and {lines[1]}\."):
        Tasks(both)


@pytest.mark.parametrize(
    "annotation",
    [
        SecretStr,
        SecretStr | None,
        list[SecretStr],
        dict[str, tuple[SecretStr, int]],
        Annotated[SecretStr, "note"],
        Secret[int],
        WithSecret,
        DataWithSecret,
    ],
)
def test_task_with_a_secret_parameter_is_refused(annotation: Any) -> None:
    async def leak(*, token: str) -> None: ...

    leak.__annotations__["token"] = annotation
    with pytest.raises(InvalidTask, match="token would store a secret in the jobs table"):
        task()(leak)


def test_invalid_task_parameters_are_refused() -> None:
    async def positional(n: int, /) -> None: ...

    async def variadic(**more: int) -> None: ...

    async def untyped(*, n) -> None: ...  # type: ignore[no-untyped-def]

    async def taken(*, key: str) -> None: ...

    for function, error in (
        (positional, "passed by keyword"),
        (variadic, "passed by keyword"),
        (untyped, "needs a type annotation"),
        (taken, "reserved by"),
    ):
        with pytest.raises(InvalidTask, match=error):
            task()(function)


def test_scheduled_task_requires_defaults() -> None:
    with pytest.raises(InvalidTask, match="every parameter needs a default"):

        @cron("0 2 * * *")
        async def nightly(*, user_id: int) -> None: ...


def test_scheduled_task_may_have_a_job_parameter_and_keeps_its_options() -> None:
    @cron("0 2 * * *", timezone="Europe/Berlin")
    @task(retries=7, queue="night")
    async def nightly_report(job: CurrentJob, *, days: int = 1) -> None: ...

    assert (nightly_report.retries, nightly_report.queue) == (7, "night")
    assert nightly_report.cron is not None
    assert nightly_report.cron.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "Use five fields"),
        ("* * * *", "Use five fields"),
        ("0 2 * * * *", "Use five fields"),
        ("a;b * * * *", "bad minute"),
        ("61 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 0 * *", "bad day-of-month"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 * 13 *", "bad month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */15 2 mon#5", "no day matches it"),
    ],
)
def test_invalid_cron_expression_names_file_line_and_task(expression: str, reason: str) -> None:
    async def daily() -> None: ...

    prefix = f"{__file__}:{daily.__code__.co_firstlineno}: test_registry.daily: {expression!r} is not a schedule"
    with pytest.raises(InvalidTask, match=f"^{re.escape(prefix)}.*{reason}"):
        cron(expression)(daily)
    assert "test_registry.daily" not in tasks()


@pytest.mark.parametrize(
    "name", ["send", "Mail.send", "mail.send email", "mail..send", ".send", "mail.", "m\u00e4il.send"]
)
def test_invalid_name_is_refused_with_an_example(name: str) -> None:
    async def send() -> None: ...

    with pytest.raises(InvalidTask, match=r"is not a valid task name\. Use one such as 'auth\.send_verification'"):
        task(name=name)(send)
    assert name not in tasks()


def test_invalid_time_zone_names_file_line_and_task() -> None:
    async def daily() -> None: ...

    prefix = f"{__file__}:{daily.__code__.co_firstlineno}: test_registry.daily: 'Europe/Nowhere' is not a time zone"
    with pytest.raises(InvalidTask, match=re.escape(prefix)):
        cron("0 2 * * *", timezone="Europe/Nowhere")(daily)


def test_invalid_task_names_file_line_and_task() -> None:
    async def leak(*, token: SecretStr) -> None: ...

    with pytest.raises(InvalidTask, match=re.escape(f"{__file__}:{leak.__code__.co_firstlineno}: mail.leak: token ")):
        task(name="mail.leak")(leak)


@pytest.mark.parametrize("name", ["send", "Mail.send", "mail.", ".send", "mail.send now", "mail.send\n", "mail;send"])
def test_invalid_task_name_is_refused(name: str) -> None:
    async def anything() -> None: ...

    with pytest.raises(InvalidTask, match="is not a valid task name"):
        task(name=name)(anything)


@pytest.mark.parametrize("options", [{"retries": -1}, {"timeout": 0}, {"timeout": -1}])
def test_negative_retries_and_timeouts_are_rejected(options: dict[str, Any]) -> None:
    async def anything() -> None: ...

    with pytest.raises(InvalidTask, match="must not be negative and timeout must be greater than 0"):
        task(**options)(anything)


def test_backoff_grows_to_its_maximum_with_jitter() -> None:
    backoff = Backoff(initial=1, factor=3, maximum=20)
    for attempt, longest in ((1, 1), (2, 3), (3, 9), (4, 20), (1000, 20)):
        delays = {backoff.delay(attempt) for _ in range(20)}
        assert all(longest / 2 <= delay <= longest for delay in delays)
        assert len(delays) > 1


def test_enqueueing_does_not_import_the_engine_library() -> None:
    imports = "import sys, undercroft.jobs, undercroft.jobs.engines.postgres"
    code = f"{imports}; print([name for name in sys.modules if 'pgqueuer.' in name or 'croniter' in name])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
