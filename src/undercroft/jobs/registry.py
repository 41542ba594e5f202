"""Tasks: functions that run later, found by name.

    @task(retries=5, timeout=30)
    async def send_verification(*, user_id: UUID) -> None: ...

    @cron("0 2 * * *", timezone="Europe/Berlin")
    async def clean_up() -> None: ...

Importing a module's `tasks.py` registers them. Names are stable (`auth.send_verification`), because jobs that were
enqueued before a release are run after it.
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
        if not NAME_PATTERN.fullmatch(self.name):
            raise InvalidTask(f"{self.name!r} is no name for a task. Write one such as 'auth.send_verification'.")
        if self.retries < 0 or self.timeout <= 0:
            raise InvalidTask("retries must not be negative and the timeout must be above 0.")
        self.arguments = Arguments(self.name, self.function)
        if self.cron and not self.arguments.all_optional:
            raise InvalidTask("a scheduled task is called without arguments, so every argument needs a default.")

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
    seconds before the second attempt. Raises `InvalidTask`, which names file, line and task, for what cannot be one,
    a parameter that holds a secret among them.
    """
    waits = backoff if isinstance(backoff, Backoff) else Backoff() if backoff is None else Backoff(initial=backoff)

    def register(function: Callable[P, R]) -> Task[P, R]:
        named = name or _default_name(function)
        return _register(_with_location(named, function, lambda: Task(named, function, queue, retries, timeout, waits)))

    return register


def cron(
    expression: str, *, timezone: str = "UTC", **options: Any
) -> Callable[[Callable[P, R] | Task[P, R]], Task[P, R]]:
    """Run a function, or a task, by the clock: `options` are those of `task`.

    Each tick runs once, however many workers there are. Ticks missed while none ran are made up for by one run. A tick
    that comes while the job of the last one is unfinished is left out. `Cron.next_after` says what happens when clocks
    change. Raises `InvalidTask`, which names file, line and task, for an expression or time zone that makes no sense.
    """

    def register(function: Callable[P, R] | Task[P, R]) -> Task[P, R]:
        known = function if isinstance(function, Task) else None
        named, plain = (
            (known.name, known.function) if known else (options.get("name") or _default_name(function), function)
        )
        when = _with_location(named, plain, lambda: Cron(expression, timezone))
        made = known or task(**options)(plain)
        return _register(_with_location(named, plain, lambda: dataclasses.replace(made, cron=when)))

    return register


def _with_location(name: str, function: Callable[..., Any], make: Callable[[], T]) -> T:
    """What `make` returns. An `InvalidTask` names the task and where its function is written."""
    try:
        return make()
    except InvalidTask as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
        raise InvalidTask(f"{where}: {name}: {error}") from None


def get_task(name: str) -> Task[..., Any]:
    """The task of this name. Raises `UnknownTask`."""
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTask(f"There is no task called {name}.") from None


def tasks(*queues: str) -> dict[str, Task[..., Any]]:
    """The tasks of these queues, of all when none is named, by name."""
    return {name: each for name, each in _tasks.items() if not queues or each.queue in queues}


def _register(new: Task[P, R]) -> Task[P, R]:
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


def _default_name(function: Callable[..., Any]) -> str:
    """`auth.send_verification` for that function of `undercroft.modules.auth.tasks`."""
    module = function.__module__.removesuffix(".tasks").rpartition(".")[2]
    return f"{module}.{function.__name__}"
