"""The registry of tasks: functions that run in background jobs.

    @task(retries=5, timeout=30)
    async def send_verification(*, user_id: UUID) -> None: ...

    @cron("0 2 * * *", timezone="Europe/Berlin")
    async def clean_up() -> None: ...

Importing a module's `tasks.py` registers its tasks. Do not change names (`auth.send_verification`): jobs
enqueued before a release run after it.
"""

import dataclasses
import inspect
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

from msgspec import Struct

from undercroft.jobs.arguments import Arguments
from undercroft.jobs.crontab import Cron
from undercroft.jobs.errors import InvalidTask, UnknownTask

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

NAME_PATTERN = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+")


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
        self.arguments = Arguments(self.name, self.function)
        if self.cron and not self.arguments.all_optional:
            raise InvalidTask("a scheduled task is called without arguments, so every parameter needs a default.")

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
    """Register a function as a task. A sync function runs in a thread, an async one on the worker's event loop.

    `retries` is the number of attempts after the first; `timeout` is in seconds per attempt; `backoff` is a `Backoff`
    or the seconds before the second attempt. Raises `InvalidTask`, with file, line and task, if the function cannot be
    a task, for example because a parameter contains a secret.
    """
    delays = backoff if isinstance(backoff, Backoff) else Backoff() if backoff is None else Backoff(initial=backoff)

    def register(function: Callable[P, R]) -> Task[P, R]:
        task_name = name or _default_name(function)
        return _register(
            _with_location(task_name, function, lambda: Task(task_name, function, queue, retries, timeout, delays))
        )

    return register


def cron(
    expression: str, *, timezone: str = "UTC", **options: Any
) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
    """Run a function or a task on a schedule. `options` are those of `task`.

    Each scheduled time runs once, independent of the number of workers. Times missed while no worker was running are
    made up for by a single run. A time at which the previous job is still unfinished is skipped. `Cron.next_after`
    documents daylight saving changes. Raises `InvalidTask`, with file, line and task, for an invalid expression or time
    zone.
    """

    def register(function: Callable[P, R] | Task[P, R]) -> Task[P, R]:
        existing = function if isinstance(function, Task) else None
        name, plain = (
            (existing.name, existing.function)
            if existing
            else (options.get("name") or _default_name(function), function)
        )
        schedule = _with_location(name, plain, lambda: Cron(expression, timezone))
        unscheduled = existing or task(**options)(plain)
        return _register(_with_location(name, plain, lambda: dataclasses.replace(unscheduled, cron=schedule)))

    return register


def _with_location(name: str, function: Callable[..., Any], make: Callable[[], T]) -> T:
    """Return the result of `make`. Adds the task and the location of its function to an `InvalidTask` error."""
    try:
        return make()
    except InvalidTask as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
        raise InvalidTask(f"{where}: {name}: {error}") from None


def get_task(name: str) -> Task[..., Any]:
    """Return the task with this name. Raises `UnknownTask`."""
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTask(f"There is no task called {name}.") from None


def tasks(*queues: str) -> dict[str, Task[..., Any]]:
    """Return the tasks of these queues, or of all queues, by name."""
    return {name: each for name, each in _tasks.items() if not queues or each.queue in queues}


def _register(new: Task[P, R]) -> Task[P, R]:
    """Register a task. A reimported function replaces itself. Raises `InvalidTask` if another one has this name."""
    old = _tasks.get(new.name)
    if old is not None and _identity(old.function) != _identity(new.function):
        raise InvalidTask(
            f"Two tasks have the name {new.name}: {'.'.join(_identity(old.function))} and "
            f"{'.'.join(_identity(new.function))}. Set another name= for one of them."
        )
    _tasks[new.name] = new
    return new


def _identity(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _default_name(function: Callable[..., Any]) -> str:
    """Return the default name: `auth.send_verification` for that function of `undercroft.modules.auth.tasks`."""
    module = function.__module__.removesuffix(".tasks").rpartition(".")[2]
    return f"{module}.{function.__name__}"
