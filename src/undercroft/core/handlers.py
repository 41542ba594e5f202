"""Checks the functions that modules declare as subscribers and hooks."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from undercroft.core.db.session import Session
from undercroft.core.errors import CodeError

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_handler(function: Callable[..., Any], argument: type[Any], *, returns: str = "None") -> None:
    """Raise `CodeError`, with the signature to write, unless this is an async function of a session and an argument.

    `returns` is the annotation of its result.
    """
    name = getattr(function, "__name__", repr(function))
    if not inspect.iscoroutinefunction(function):
        problem = f"{name} must be an async function"
    elif not _takes(function, Session, argument):
        problem = f"{name} must take a Session and a {argument.__name__}"
    else:
        return
    signature = f"async def {name}(session: Session, {_snake_case(argument.__name__)}: {argument.__name__})"
    raise CodeError(f"{problem}: {signature} -> {returns}.", at=function)


def find_location(function: Callable[..., Any]) -> str:
    """Return the file and line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _takes(function: Callable[..., Any], *expected: type[Any]) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != len(expected) or any(each.kind not in _POSITIONAL for each in parameters):
        return False
    try:
        hints = get_type_hints(function)
    except NameError:  # imported only for type checkers
        return True
    annotated = zip([hints.get(each.name) for each in parameters], expected, strict=True)
    return all(hint is Any or not isinstance(hint, type) or issubclass(given, hint) for hint, given in annotated)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
