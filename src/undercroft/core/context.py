"""The context of an application: its environment, its settings and its components.

    context = current_context()
    context.add(Database, database)
    context.get(Database)

Two applications in one process have two contexts. The server sets the context for every request, the worker for its
jobs; outside of any application there is one context for the process, which commands and the worker use.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = [
    "AppContext",
    "current_context",
    "use_context",
]

T = TypeVar("T")


class AppContext:
    """The settings and the components of one application.

    `environ` contains its environment variables, of which empty ones count as unset; None reads `os.environ` and
    `.env` when settings are loaded.
    """

    __slots__ = ("_components", "_factories", "environ", "runtime_values", "settings")

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ = None if environ is None else {name.lower(): value for name, value in environ.items() if value}
        self.settings: dict[type, Any] = {}
        """The loaded settings by class; `core.settings.load` fills it."""
        self.runtime_values: Mapping[str, str] = {}
        """Values of settings that replace those of the environment, in the same notation, by lowercase name.
        `core.runtime_settings` sets it.
        """
        self._components: dict[type, Any] = {}
        self._factories: dict[type, Callable[[], Any]] = {}

    def add(self, kind: type[T], component: T) -> T:
        """Add a component under its class or Protocol, replacing an earlier one, and return it."""
        self._components[kind] = component
        return component

    def add_factory(self, kind: type[T], factory: Callable[[], T]) -> None:
        """Add a component that is created when it is first looked up."""
        self._components.pop(kind, None)
        self._factories[kind] = factory

    def get(self, kind: type[T]) -> T:
        """Return the component of this class. Raises `LookupError` if the application has none."""
        found = self._components.get(kind)
        if found is None and (found := self.find(kind)) is None:
            raise LookupError(
                f"The application has no {kind.__name__}. It is added when the application is created or started: "
                "create it with `create_app` and run its lifespan."
            )
        return found  # type: ignore[no-any-return]

    def find(self, kind: type[T]) -> T | None:
        """Return the component of this class, None if the application has none."""
        found = self._components.get(kind)
        if found is None and kind in self._factories:
            found = self._components[kind] = self._factories[kind]()
        return found

    def remove(self, kind: type) -> None:
        """Remove the component of this class, if there is one."""
        self._components.pop(kind, None)
        self._factories.pop(kind, None)


PROCESS = AppContext()
"""The context outside of any application."""

CURRENT: ContextVar[AppContext] = ContextVar("undercroft_context", default=PROCESS)


def current_context() -> AppContext:
    """Return the context of the running request, job or command."""
    return CURRENT.get()


@contextmanager
def use_context(context: AppContext) -> Iterator[None]:
    """Make this context the current one inside the block."""
    token = CURRENT.set(context)
    try:
        yield
    finally:
        CURRENT.reset(token)
