"""Finds the modules, sorts them by their dependencies and imports their files by name."""

import os
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from msgspec import Struct
from sqlmodel import SQLModel

import undercroft
from undercroft import modules as built_in
from undercroft.app.optional_modules import built_in_names, check_disabled, read_declaration
from undercroft.core import Module
from undercroft.core.crud import Resource
from undercroft.core.errors import CodeError, ConfigurationError
from undercroft.core.model_classes import model_classes
from undercroft.core.modules import EXTENSIONS, add_project_to_path, available_extensions, import_extension
from undercroft.core.settings import SettingsBase

T = TypeVar("T")

CORE_SETTINGS = "undercroft.core.settings"


class LoadedModule(Struct, frozen=True):
    """A module that was found, and its declaration."""

    name: str
    package: ModuleType
    declaration: Module
    is_extension: bool = False
    submodules: frozenset[str] = frozenset()
    """The names of its files and packages, which are looked up hundreds of times at the start."""

    @property
    def mount(self) -> str:
        """The path between the prefix of a surface and the module's routes."""
        default = f"/ext/{self.name}" if self.is_extension else ""
        return default if self.declaration.mount is None else self.declaration.mount

    @property
    def is_enabled(self) -> bool:
        """Whether the application has the module's routes and pages."""
        return self.declaration.is_enabled is None or self.declaration.is_enabled()

    @property
    def folder(self) -> Path:
        assert self.package.__file__ is not None
        return Path(self.package.__file__).parent

    def load_submodule(self, name: str) -> ModuleType | None:
        """Import the module's file with this name. Returns None if there is none."""
        if name not in self.submodules:
            return None
        return (import_extension if self.is_extension else import_module)(f"{self.package.__name__}.{name}")


@cache
def find_modules(disabled: frozenset[str] = frozenset()) -> tuple[LoadedModule, ...]:
    """Return the built-in modules in dependency order, otherwise by name. The disabled ones are not imported.

    Raises `CodeError` for a required module that does not exist and for circular requirements, and
    `ConfigurationError` for a disabled module that does not exist, is not optional, or is required by another one.
    """
    check_disabled(disabled)
    found = {
        name: _load(name, import_module(f"{built_in.__name__}.{name}"))
        for name in built_in_names()
        if name not in disabled
    }
    return tuple(found[name] for name in _sort_by_dependency(found))


def find_extension(name: str) -> LoadedModule:
    """Import an extension: a folder in `extensions/`, or an installed package.

    Raises `ConfigurationError` if there is none with this name, and `CodeError` for an invalid declaration.
    """
    packages = available_extensions()
    if name not in packages:
        close = get_close_matches(name, packages, 1)
        known = f"Available: {', '.join(packages)}." if packages else "There are no extensions here."
        hint = f"Did you mean {close[0]}?" if close else known
        raise ConfigurationError(
            f"ENABLED_EXTENSIONS contains {name}, which is neither a folder in {EXTENSIONS}/ nor an installed "
            f"extension. {hint}\nTo start without it: `undercroft extension disable {name}`. Its data stays."
        )
    if len(packages[name]) > 1:
        raise ConfigurationError(f"There are two extensions called {name}: {' and '.join(packages[name])}. Remove one.")
    _check_version_before_import(name, packages[name][0])
    found = _load(name, import_extension(packages[name][0]), is_extension=True)
    _check_name(found)
    _check_version(name, found.declaration.undercroft, found.folder / "__init__.py")
    return found


def _check_version_before_import(name: str, package: str) -> None:
    """Check the version by the source: with another version of Undercroft, importing the package may fail."""
    add_project_to_path()
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        _check_version(name, read_declaration(Path(spec.origin)).get("undercroft", ""), Path(spec.origin))


def _check_version(name: str, supported: str, file: Path) -> None:
    if not supported:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        if SpecifierSet(supported).contains(undercroft.__version__, prereleases=True):
            return
    except InvalidSpecifier:
        message = f'{supported!r} is not a range of versions. Write it such as `undercroft=">=0.1,<2"`.'
        raise CodeError(message, at=(str(file), 1)) from None
    raise CodeError(
        f"The extension {name} supports Undercroft {supported}, and this is Undercroft {undercroft.__version__}. "
        f"Install a version of {name} that supports it, or remove {name} from ENABLED_EXTENSIONS.",
        at=(str(file), 1),
    )


def _check_name(extension: LoadedModule) -> None:
    name, package = extension.name, extension.package
    if name in built_in_names():
        raise CodeError(f"The extension {name} has the name of a built-in module. Choose another name.", at=package)
    last = package.__name__.rpartition(".")[2]
    if last != name:
        raise CodeError(
            f"The package {package.__name__} of the extension {name} must be called {name}: its tasks and tables are "
            f"named after it. Rename the package, or the entry point to {last}.",
            at=package,
        )


def _load(name: str, package: ModuleType, *, is_extension: bool = False) -> LoadedModule:
    declaration = getattr(package, "MODULE", None)
    if not isinstance(declaration, Module):
        raise CodeError(
            f"The module {name} does not declare MODULE. Add `from undercroft.core import Module` and "
            "`MODULE = Module()` to its __init__.py.",
            at=package,
        )
    if not isinstance(declaration.requires, tuple):
        raise CodeError(f"requires of {name} must be a tuple: requires=({declaration.requires!r},).", at=package)
    return LoadedModule(name, package, declaration, is_extension, _list_submodules(package))


def _list_submodules(package: ModuleType) -> frozenset[str]:
    entries = [entry for folder in package.__path__ for entry in os.scandir(folder)]
    files = {entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py")}
    return frozenset(
        files | {entry.name for entry in entries if entry.is_dir() and Path(entry, "__init__.py").exists()}
    )


def list_settings_classes(
    extensions: Iterable[LoadedModule] = (), disabled: Collection[str] = ()
) -> list[type[SettingsBase]]:
    """Return the settings classes of all files named `settings.py`, those of extensions last, in a stable order.

    Those of the disabled modules are left out and not imported.
    """
    root = Path(undercroft.__file__).parent
    parts = (path.relative_to(root).with_suffix("").parts for path in root.rglob("settings.py"))
    files = [".".join(["undercroft", *each]) for each in parts if each[0] != "modules" or each[1] not in disabled]
    files.sort(key=lambda file: (file != CORE_SETTINGS, file))
    found = [*map(import_module, files), *(module.load_submodule("settings") for module in extensions)]
    declared = [each for part in found if part for each in defined_in(part, type)]
    return [each for each in declared if issubclass(each, SettingsBase) and each is not SettingsBase]


def defined_in(part: ModuleType, kind: type[T]) -> list[T]:
    """Return the objects of this type that the file itself or a file of its package defines, in their order.

    An object made from a function by a decorator is defined where its `function` is.
    """
    found = {
        id(value): value
        for value in vars(part).values()
        if isinstance(value, kind) and f"{_home(value)}.".startswith(f"{part.__name__}.")
    }
    return list(found.values())


def _home(value: object) -> str:
    return str(getattr(getattr(value, "function", value), "__module__", ""))


def resources_of(module: LoadedModule) -> list[type[Resource[Any]]]:
    """Return the resources that the module declares in `resources.py`."""
    part = module.load_submodule("resources")
    declared = defined_in(part, type) if part else ()
    return [each for each in declared if issubclass(each, Resource) and hasattr(each, "model")]


def tables_of(module: LoadedModule) -> list[type[SQLModel]]:
    """Return the models with a table that the module declares, and its extra fields of other entities."""
    module.load_submodule("models")
    if module.is_extension:
        module.load_submodule("fields")
    package = f"{module.package.__name__}."
    return [model for model in model_classes() if f"{model.__module__}.".startswith(package)]


def table_names(module: LoadedModule) -> frozenset[str]:
    """Return the names of the module's tables."""
    return frozenset(str(model.__tablename__) for model in tables_of(module))


def check_requirements(module: LoadedModule, known: Collection[str]) -> None:
    """Raise `CodeError` if the module requires one that is not known."""
    for other in module.declaration.requires:
        if other not in known:
            close = get_close_matches(other, known, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Available: {', '.join(known)}."
            message = f"Module {module.name} requires {other}, which does not exist. {hint}"
            raise CodeError(message, at=module.package)


def _sort_by_dependency(found: Mapping[str, LoadedModule]) -> list[str]:
    needs = {name: module.declaration.requires for name, module in sorted(found.items())}
    for module in found.values():
        check_requirements(module, needs)
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise CodeError(
            f"Modules require each other: {' → '.join(circle)}. Remove one of them from the `requires` of the other.",
            at=found[circle[0]].package,
        ) from None
