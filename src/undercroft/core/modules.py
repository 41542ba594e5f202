"""The declaration that makes a package a module, and where extensions are found."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.import_limit import import_limit

T = TypeVar("T")

EXTENSIONS = "extensions"
"""The project's folder of extensions, and the package in which they are imported."""

ENTRY_POINTS = "undercroft.modules"
"""The entry points of installed extensions."""


class AdminComponents(Struct, frozen=True):
    """The views, charts and template folders that the application's modules declare for `/admin`.

    Looking it up the first time imports SQLAdmin, which takes about half a second.
    """

    views: list[type[Any]]
    charts: list[Any]
    templates: list[Path]


class ModuleFiles(Struct, frozen=True):
    """Imports and returns the files with a name of all modules of the application, in the order of the modules."""

    load: Callable[[str], Iterable[ModuleType]]


class ModuleFolders(Struct, frozen=True):
    """Returns the existing folders with a name of all modules of the application, by the name of the module."""

    find: Callable[[str], Mapping[str, Path]]


def find_declared(file: str, kind: type[T]) -> list[T]:
    """Return the objects of this class that the modules and extensions declare in their files with this name.

    A module that defines such a class calls it, as `find_declared("flags", Flag)`. An object that a file imports from
    another one is returned once.
    """
    files = current_context().get(ModuleFiles).load(file)
    found = {id(value): value for each in files for value in vars(each).values() if isinstance(value, kind)}
    return list(found.values())


class RequestHeader(Struct, frozen=True):
    """A request header that a module reads: pages of other origins may send it (CORS).

    The OpenAPI operations of the routes for which `documented_at` returns True have it as an optional parameter, with
    the description and the format of its value.
    """

    name: str
    description: str = ""
    format: str = ""
    documented_at: Callable[[Any], bool] = lambda _route: False


class RequestHeaders(tuple[RequestHeader, ...]):
    """The request headers that the application's modules declare."""


class SecuritySchemes(dict[str, dict[str, Any]]):
    """OpenAPI's security schemes that the application's modules declare, by name: the ways to authenticate."""


class Module(Struct, frozen=True, kw_only=True):
    """What a module declares about itself, as `MODULE` in its `__init__.py`.

    `requires` names the modules that it depends on: they are loaded before it. DISABLED_MODULES may name a built-in
    module that is `optional`: it is not imported, so the application has nothing of it. `undercroft` are the versions
    of Undercroft that an extension supports, such as `>=0.1,<2` (PEP 440). When `is_enabled` returns False, the
    application has none of the module's routes and pages. `mount` replaces the path `/ext/<name>` between the surface's
    prefix and the routes of an extension: `/api/v1/app/ext/hotel/rooms`. `security_schemes` returns OpenAPI's security
    schemes that the module implements, by name, and `request_headers` are those that it reads itself.
    """

    requires: tuple[str, ...] = ()
    optional: bool = False
    undercroft: str = ""
    is_enabled: Callable[[], bool] | None = None
    mount: str | None = None
    security_schemes: Callable[[], dict[str, dict[str, Any]]] | None = None
    request_headers: tuple[RequestHeader, ...] = ()


def available_extensions() -> dict[str, list[str]]:
    """Return the packages of the extensions that can be enabled, by name."""
    found: dict[str, list[str]] = {}
    for file in sorted(Path(EXTENSIONS).glob("*/__init__.py")):
        found.setdefault(file.parent.name, []).append(f"{EXTENSIONS}.{file.parent.name}")
    for name, package in _installed_extensions(tuple(sys.path)):
        found.setdefault(name, []).append(package)
    return found


@cache
def _installed_extensions(_path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the name and package of each installed extension. Reading the metadata of all packages takes 20 ms."""
    return tuple((entry.name, entry.value.partition(":")[0]) for entry in entry_points(group=ENTRY_POINTS))


def import_extension(name: str) -> ModuleType:
    """Import a module of an extension. The project's folder `extensions` is a package in the working directory.

    Raises `CodeError` if the import does not end.
    """
    add_project_to_path()
    if name in sys.modules:
        return sys.modules[name]
    package = ".".join(name.split(".")[: 2 if name.startswith(f"{EXTENSIONS}.") else 1])
    with import_limit(package):
        return import_module(name)


def has_submodule(package: str, name: str) -> bool:
    """Whether an extension has this file, without importing the extension."""
    add_project_to_path()
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return any((Path(folder) / f"{name}.py").exists() for folder in folders)


def add_project_to_path() -> None:
    """Make the package `extensions` importable."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
