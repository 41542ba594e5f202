"""Tasks: functions that run in background jobs.

    @task(retries=5, timeout=30)
    async def send_verification(*, user_id: UUID) -> None: ...

    @cron("0 2 * * *", timezone="Europe/Berlin")
    async def clean_up() -> None: ...

The application has the tasks that the files `tasks.py` of its modules declare. Do not change names
(`auth.send_verification`): jobs enqueued before a release run after it.
"""

import dataclasses
import inspect
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.handlers import find_location
from undercroft.jobs.arguments import Arguments
from undercroft.jobs.errors import InvalidTask

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

NAME_PATTERN = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")


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


@dataclass(eq=False)
class Task(Generic[P, R]):
    """A function that can be enqueued. Calling a task directly calls the function."""

    name: str
    function: Callable[P, R]
    queue: str = "default"
    retries: int = 3
    timeout: float = 60
    backoff: Backoff = field(default_factory=Backoff)
    cron: Cron | None = None

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise InvalidTask(f"{self.name!r} is not a valid task name. Use one such as 'auth.send_verification'.")
        if self.retries < 0 or self.timeout <= 0:
            raise InvalidTask("retries must not be negative and timeout must be greater than 0.")
        self.arguments = self.read_arguments()
        if self.cron and not self.arguments.all_optional:
            raise InvalidTask("a scheduled task is called without arguments, so every parameter needs a default.")

    def read_arguments(self) -> Arguments:
        """Return the arguments that jobs of this task have. Raises `InvalidTask`."""
        return Arguments(self.name, self.function)

    @property
    def description(self) -> str:
        """The first sentence of the function's docstring, or an empty text."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def location(self) -> str:
        """The file and line of the function."""
        return find_location(self.function)

    @property
    def statement_timeout(self) -> float:
        """Seconds after which the database cancels a statement of the task."""
        return self.timeout

    @property
    def max_attempts(self) -> int:
        return self.retries + 1

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


class Tasks:
    """The tasks of an application by name. Raises `InvalidTask` if two tasks have the same name."""

    def __init__(self, tasks: Iterable[Task[..., Any]] = ()) -> None:
        self.by_name: dict[str, Task[..., Any]] = {}
        for new in tasks:
            old = self.by_name.setdefault(new.name, new)
            if old is not new:
                raise InvalidTask(
                    f"Two tasks have the name {new.name}: {new.location} and {old.location}. "
                    "Set another name= for one of them."
                )


def task(
    *,
    retries: int = 3,
    timeout: float = 60,
    queue: str = "default",
    backoff: Backoff | float | None = None,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Declare a function in `tasks.py` as a task. A sync function runs in a thread, an async one on the event loop.

    `retries` is the number of attempts after the first; `timeout` is in seconds per attempt; `backoff` is a `Backoff`
    or the seconds before the second attempt. Raises `InvalidTask`, with file, line and task, if the function cannot be
    a task, for example because a parameter contains a secret.
    """
    delays = backoff if isinstance(backoff, Backoff) else Backoff() if backoff is None else Backoff(initial=backoff)

    def declare(function: Callable[P, R]) -> Task[P, R]:
        task_name = name or default_name(function)
        return _with_location(task_name, function, lambda: Task(task_name, function, queue, retries, timeout, delays))

    return declare


def cron(
    expression: str, *, timezone: str = "UTC", **options: Any
) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
    """Run a function or a task on a schedule. `options` are those of `task`.

    Each scheduled time runs once, independent of the number of workers. Times missed while no worker was running are
    made up for by a single run. A time at which the previous job is still unfinished is skipped. `Cron.next_after`
    documents daylight saving changes. Raises `InvalidTask`, with file, line and task, for an invalid expression or time
    zone.
    """

    def declare(function: Callable[P, R] | Task[P, R]) -> Task[P, R]:
        unscheduled = function if isinstance(function, Task) else task(**options)(function)

        def schedule() -> Task[P, R]:
            return dataclasses.replace(unscheduled, cron=Cron(expression, timezone))

        return _with_location(unscheduled.name, unscheduled.function, schedule)

    return declare


def _with_location(name: str, function: Callable[..., Any], make: Callable[[], T]) -> T:
    """Return the result of `make`. Adds the task and the location of its function to an `InvalidTask` error."""
    try:
        return make()
    except InvalidTask as error:
        raise InvalidTask(f"{find_location(function)}: {name}: {error}") from None


def tasks(*queues: str) -> dict[str, Task[..., Any]]:
    """Return the tasks of these queues, or of all queues, by name."""
    by_name = current_context().get(Tasks).by_name
    return {name: each for name, each in by_name.items() if not queues or each.queue in queues}


def default_name(function: Callable[..., Any]) -> str:
    """Return the default name: `auth.send_verification` for that function of `undercroft.modules.auth.tasks`."""
    module = re.sub(r"\.(tasks|backfills|subscribers)(\..*)?$", "", function.__module__).rpartition(".")[2]
    return f"{module}.{function.__name__}"
