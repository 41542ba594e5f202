"""Find the location of an error in the application's code, and a hint how to fix it."""

import inspect
import linecache
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi.exceptions import ResponseValidationError
from msgspec import Struct

import undercroft
from undercroft.core.errors import CodeError

PACKAGE = Path(undercroft.__file__).parent
MODULES = PACKAGE / "modules"
LIBRARIES = tuple({str(Path(path).resolve()) for name, path in sysconfig.get_paths().items() if "lib" in name})
MAX_FIELDS = 5
UNMAPPED = re.compile(r"Class '([\w.]+)\.(\w+)' is not mapped")
FOREIGN_KEY = re.compile(r"Foreign key associated with column '(\w+)\.|ForeignKey '[^']*' on table '(\w+)'")
MIGRATION = "Write it with `undercroft migrate new MESSAGE --module NAME`, then run `undercroft migrate upgrade`."


class Origin(Struct, frozen=True):
    """`location` is `FILE:LINE`, relative to the working directory, `source` the line; `hint` is empty if unknown."""

    location: str
    source: str
    hint: str


def find_origin(error: BaseException) -> Origin | None:
    """The location of an error: in a module or an extension if one of its frames is there, otherwise in the package.

    Returns None for an exception that was never raised.
    """
    found = next(
        (
            location
            for each in _chain(error)
            if (location := _get_declared_location(each) or _find_frame(each, _is_project_code))
        ),
        None,
    )
    found = found or _find_frame(error, _is_package_code)
    if found is None:
        return None
    file, line, text = found
    return Origin(f"{relative_path(file)}:{line}", text or linecache.getline(file, line).strip(), find_hint(error))


def explain_error(error: BaseException) -> str:
    """Format an error of the code for a terminal: the error, its source line, and the fix if it is known."""
    origin, is_expected = find_origin(error), isinstance(error, CodeError)
    where = "" if is_expected else "Unexpected error in " if origin else "Unexpected error"
    where += origin.location if origin else ""
    source = f"    {origin.source}" if origin and origin.source else ""
    more = "" if is_expected else "Set UNDERCROFT_DEBUG=1 to see the full traceback."
    return "\n".join(filter(None, (where, source, f"  {summarize_error(error)}", origin.hint if origin else "", more)))


def summarize_error(error: BaseException) -> str:
    """The error in one line: its type and message, or the fields in which a response does not match its model."""
    if isinstance(error, ResponseValidationError):
        fields = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:MAX_FIELDS]]
        return f"{type(error).__name__}: {'; '.join(fields)}"
    message = str(error).strip().split("\n", 1)[0]
    return message if isinstance(error, CodeError) else f"{type(error).__name__}: {message}".removesuffix(": ")


def find_hint(error: BaseException) -> str:
    """The fix of a known mistake; empty for others."""
    return next((hint for each in _chain(error) for pattern, hint in HINTS if pattern in _describe_error(each)), "")


HINTS = (
    (
        "partially initialized module",
        "Two modules import each other. Move one of the imports into the function that uses it.",
    ),
    ("ModuleNotFoundError", "Check the spelling, or install the package that provides this module."),
    ("UndefinedTableError", f"No migration creates this table. {MIGRATION}"),
    ("UndefinedColumnError", f"No migration creates this column. {MIGRATION}"),
    ("UnmappedInstanceError", "A model is a table only with table=True: class Thing(..., table=True)."),
    ("clause element expected, got <class", "A model is a table only with table=True: class Thing(..., table=True)."),
    (
        "InvalidArguments",
        "Pass the arguments of the task's function by keyword: enqueue(session, task, name=value).",
    ),
    ("TypeError: enqueue() takes 2 positional", "Pass arguments by keyword: enqueue(session, task, name=value)."),
    ("NoReferencedTableError", "A foreign key names TABLE.COLUMN, as in users.id: check the spelling of the table."),
    ("NoReferencedColumnError", "A foreign key names TABLE.COLUMN, as in users.id: check the spelling of the column."),
    ("ResponseValidationError", "The return value of the endpoint does not match its response model."),
)


def _describe_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, then its causes and contexts, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = inner or error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _get_declared_location(error: BaseException) -> tuple[str, int, str] | None:
    """The location that the error itself names."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 1, (error.text or "").strip()
    if isinstance(error, CodeError):
        return _definition(error.at)
    if unmapped := UNMAPPED.search(str(error)):  # raised by the flush, far from the line that added the object
        return _definition(getattr(sys.modules.get(unmapped[1]), unmapped[2], None))
    if key := FOREIGN_KEY.search(str(error)):  # raised when tables are sorted
        return _definition(_find_model(key[1] or key[2]))
    context = getattr(error, "endpoint_ctx", None) or {}
    if "file" in context and "line" in context:
        return str(context["file"]), int(context["line"]), ""
    return None


def _find_model(table: str) -> type | None:
    """The model class of a table."""
    from undercroft.core.model_classes import model_classes

    return next((model for model in model_classes() if model.__tablename__ == table), None)


def _definition(thing: Any) -> tuple[str, int, str] | None:
    """The location where a function, class or module is defined; a tuple of file and line is one itself."""
    if isinstance(thing, tuple):
        return thing[0], thing[1], ""
    if isinstance(thing, ModuleType):
        return thing.__file__ or "", 1, ""
    try:
        thing = inspect.unwrap(thing) if callable(thing) else thing
        return inspect.getsourcefile(thing) or "", max(1, inspect.getsourcelines(thing)[1]), ""
    except (TypeError, OSError):
        return None


def locate(thing: Any) -> str:
    """`FILE:LINE` of the definition of a function, class or module; empty if it has no source."""
    found = _definition(thing)
    return f"{relative_path(found[0])}:{found[1]}" if found else ""


def _find_frame(error: BaseException, wanted: Callable[[str], bool]) -> tuple[str, int, str] | None:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.lineno and wanted(frame.filename)]
    return (frames[-1].filename, frames[-1].lineno or 1, "") if frames else None


def _is_project_code(file: str) -> bool:
    """Whether a file belongs to the developer: not a library, and in this package only modules and migrations."""
    path = Path(file)
    if path.is_relative_to(PACKAGE):
        return path.is_relative_to(MODULES) or path.parent.name == "versions"
    return path.is_absolute() and not file.startswith(LIBRARIES)


def _is_package_code(file: str) -> bool:
    return Path(file).is_relative_to(PACKAGE) or _is_project_code(file)


def relative_path(file: str) -> str:
    """The file's path relative to the working directory if it is inside, otherwise unchanged."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
