"""What `undercroft explain` and `undercroft map` state about one declared thing."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from undercroft.app.registry import get_registry
from undercroft.core.telemetry.origin import locate


class Reference(Struct, frozen=True):
    """Another thing and the file and line of it."""

    name: str
    location: str


Fact: TypeAlias = str | int | float | bool | list[str] | list[Reference] | None
Facts: TypeAlias = dict[str, Fact]


class Description(Struct, frozen=True):
    """A declared thing: its kind and name, `FILE:LINE`, what it is in one line, and what is true of it.

    `aliases` are further names by which it is found. `inspect` returns facts that take longer to find, or that depend
    on the moment and on the settings of this process.
    """

    kind: str
    name: str
    location: str
    summary: str
    facts: Facts
    aliases: tuple[str, ...] = ()
    inspect: Callable[[], Facts] = dict

    def complete(self) -> "Description":
        """The description with the facts of `inspect`."""
        return replace(self, facts={**self.facts, **self.inspect()})

    def export(self) -> dict[str, Any]:
        """The description for JSON."""
        shown = {"kind": self.kind, "name": self.name, "location": self.location, "summary": self.summary}
        return {**shown, **to_builtins(self.facts)}


def refer(thing: Any, name: str = "") -> Reference:
    """A reference to a function or class."""
    function = getattr(thing, "function", thing)
    return Reference(name or str(getattr(function, "__qualname__", function)), locate(function))


def summarize(thing: Any) -> str:
    """The first sentence or line of a docstring; empty if there is none of its own."""
    text = (
        thing if isinstance(thing, str) else (vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__)
    )
    return inspect.cleandoc(text or "").partition("\n")[0]


def owner_of(thing: Any) -> str:
    """The module or extension to which a function or class belongs; the package for those of the core."""
    dotted = f"{thing if isinstance(thing, str) else getattr(getattr(thing, 'function', thing), '__module__', '')}."
    for module in get_registry().modules:
        if dotted.startswith(f"{module.package.__name__}."):
            return f"extension {module.name}" if module.is_extension else module.name
    return ".".join(dotted.split(".")[1:3]) if dotted.startswith("undercroft.") else dotted.partition(".")[0]


def without_empty(facts: Mapping[str, Fact]) -> Facts:
    """The facts without those that state nothing."""
    return {name: value for name, value in facts.items() if value not in (None, "", [])}
