"""Tasks: functions that run later, found by name.

    @task(retries=5, timeout=30)
    async def send_verification(*, user_id: UUID) -> None: ...

    @cron("0 2 * * *", timezone="Europe/Berlin")
    async def clean_up() -> None: ...

Importing a module's `tasks.py` registers them. Names are stable (`auth.send_verification`), because jobs that were
enqueued before a release are run after it.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from undercroft.jobs.arguments import Arguments
from undercroft.jobs.errors import InvalidTask, UnknownTask

P = ParamSpec("P")
R = TypeVar("R")

NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")
CRON_FIELD = re.compile(r"[0-9A-Za-z*/,\-#?]+")


class Backoff(Struct, frozen=True):
    """Seconds before the next attempt: `initial`, then `factor` times as long each time, at most `maximum`.

    Each is shortened at random by up to half, so that jobs which failed together do not come back together.
    """

    initial: float = 2
    factor: float = 2
    maximum: float = 3600

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt, counted from 1."""
        exact = min(self.maximum, self.initial * self.factor ** min(attempt - 1, 64))
        return exact * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing


class Cron(Struct, frozen=True):
    """When a task runs by itself: five fields, read in a time zone."""

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        fields = self.expression.split()
        if len(fields) != 5 or not all(CRON_FIELD.fullmatch(each) for each in fields):
            raise InvalidTask(f"{self.expression!r} is not a schedule. Write five fields, as in '0 2 * * *' (02:00).")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise InvalidTask(f"{self.timezone!r} is not a time zone. Write one such as 'Europe/Berlin'.") from None


@dataclass(eq=False)
class Task(Generic[P, R]):
    """A function that can be enqueued. Calling it runs the function at once, as if it were not a task."""

    name: str
    function: Callable[P, R]
    queue: str = "default"
    retries: int = 3
    timeout: float = 60
    backoff: Backoff = field(default_factory=Backoff)
    cron: Cron | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidTask(f"{self.name!r} is no name for a task. Write one such as 'auth.send_verification'.")
        if self.retries < 0 or self.timeout <= 0:
            raise InvalidTask(f"{self.name}: retries must not be negative and the timeout must be above 0.")
        self.arguments = Arguments(self.name, self.function)
        if self.cron and not self.arguments.all_optional:
            raise InvalidTask(f"{self.name} runs by the clock, so every argument needs a default.")

    @property
    def max_attempts(self) -> int:
        return self.retries + 1

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


_tasks: dict[str, Task[..., Any]] = {}


def task(
    *,
    retries: int = 3,
    timeout: float = 60,
    queue: str = "default",
    backoff: Backoff | float | None = None,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task. An ordinary function runs in a thread, an async one on the worker's loop.

    `retries` counts the attempts after the first; `timeout` is in seconds per attempt; `backoff` is a `Backoff` or the
    seconds before the second attempt. Raises `InvalidTask` for what cannot be one, a parameter that holds a secret
    among them.
    """
    waits = backoff if isinstance(backoff, Backoff) else Backoff() if backoff is None else Backoff(initial=backoff)

    def register(function: Callable[P, R]) -> Task[P, R]:
        return _add(Task(name or _name_of(function), function, queue, retries, timeout, waits))

    return register


def cron(
    expression: str, *, timezone: str = "UTC", **options: Any
) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
    """Run a function, or a task, by the clock: `options` are those of `task`.

    Each tick runs once, however many workers there are. Ticks missed while none ran are made up for by one run. A tick
    that comes while the job of the last one is unfinished is left out. Where clocks are set forward, a time that does
    not exist runs right after the gap; where they are set back, a fixed hour runs once.
    """
    when = Cron(expression, timezone)

    def register(function: Callable[P, R] | Task[P, R]) -> Task[P, R]:
        if isinstance(function, Task):
            made = Task(
                function.name,
                function.function,
                function.queue,
                function.retries,
                function.timeout,
                function.backoff,
                when,
            )
        else:
            plain = task(**options)(function)
            made = Task(plain.name, function, plain.queue, plain.retries, plain.timeout, plain.backoff, when)
        return _add(made)

    return register


def find(name: str) -> Task[..., Any]:
    """The task of this name. Raises `UnknownTask`."""
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTask(f"There is no task called {name}.") from None


def tasks(*queues: str) -> dict[str, Task[..., Any]]:
    """The tasks of these queues, of all when none is named, by name."""
    return {name: each for name, each in _tasks.items() if not queues or each.queue in queues}


def _add(new: Task[P, R]) -> Task[P, R]:
    """Register; a function that is imported anew replaces itself, another of the same name is a mistake."""
    old = _tasks.get(new.name)
    if old is not None and _identity(old.function) != _identity(new.function):
        raise InvalidTask(
            f"Two tasks are called {new.name}: {'.'.join(_identity(old.function))} and "
            f"{'.'.join(_identity(new.function))}. Give one another name=."
        )
    _tasks[new.name] = new
    return new


def _identity(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _name_of(function: Callable[..., Any]) -> str:
    """`auth.send_verification` for that function of `undercroft.modules.auth.tasks`."""
    module = function.__module__.removesuffix(".tasks").rpartition(".")[2]
    return f"{module}.{function.__name__}"
