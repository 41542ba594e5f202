"""Finds the modules, sorts them by their dependencies and imports their files by name."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from msgspec import Struct

import undercroft
from undercroft import modules as built_in
from undercroft.core import Module
from undercroft.core.auth import permissions
from undercroft.core.errors import CodeError, ConfigurationError
from undercroft.core.settings import Environment, SettingsBase, load
from undercroft.providers.email import add_templates

CORE_SETTINGS = "undercroft.core.settings"

SUBMODULES = frozenset(
    {
        "admin",
        "errors",
        "events",
        "lifespan",
        "messages",
        "models",
        "pages",
        "permissions",
        "repository",
        "routes",
        "schemas",
        "seeds",
        "service",
        "settings",
        "subscribers",
        "tasks",
    }
)
"""File names with a meaning for the application. A module may contain other files."""


class LoadedModule(Struct, frozen=True):
    """A module that was found, and its declaration."""

    name: str
    package: ModuleType
    declaration: Module

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
        assert name in SUBMODULES, name
        found = (self.folder / f"{name}.py").exists() or (self.folder / name / "__init__.py").exists()
        return import_module(f"{self.package.__name__}.{name}") if found else None


@cache
def modules() -> tuple[LoadedModule, ...]:
    """Return all modules in dependency order, otherwise by name.

    Raises `CodeError` for a required module that does not exist and for circular requirements.
    """
    found = {
        info.name: _load(info.name, import_module(f"{built_in.__name__}.{info.name}"))
        for info in iter_modules(built_in.__path__)
        if info.ispkg
    }
    return tuple(found[name] for name in _sort_by_dependency(found))


def _load(name: str, package: ModuleType) -> LoadedModule:
    declaration = getattr(package, "MODULE", None)
    if not isinstance(declaration, Module):
        raise CodeError(
            f"The module {name} does not declare MODULE. Add `from undercroft.core import Module` and "
            "`MODULE = Module()` to its __init__.py.",
            at=package,
        )
    if not isinstance(declaration.requires, tuple):
        raise CodeError(f"requires of {name} must be a tuple: requires=({declaration.requires!r},).", at=package)
    return LoadedModule(name, package, declaration)


def load_submodules(name: str) -> Iterator[ModuleType]:
    """Import and yield the files with this name from all modules, in the order of the modules."""
    for module in modules():
        part = module.load_submodule(name)
        if part is not None:
            yield part


def load_models() -> None:
    """Import all models, so that the metadata is complete."""
    import_module("undercroft.jobs.models")
    for _ in load_submodules("models"):
        pass


def prepare() -> None:
    """Import the models, permissions and subscribers of all modules, and register their email templates."""
    load_models()
    for part in load_submodules("permissions"):
        _declare_permissions(part)
    for _ in load_submodules("subscribers"):
        pass
    for module in modules():
        mails = module.folder / "templates" / "emails"
        if mails.is_dir():
            add_templates(mails)


def _declare_permissions(part: ModuleType) -> None:
    if not hasattr(part, "PERMISSIONS"):
        raise CodeError(f"{part.__name__} must define PERMISSIONS, a tuple of the module's permissions.", at=part)
    try:
        permissions.register_permissions(part.PERMISSIONS)
    except ValueError as error:
        raise CodeError(f"{error} Give it another name.", at=part) from None


def list_settings_classes() -> list[type[SettingsBase]]:
    """Return the settings classes of all files named `settings.py`, in a stable order."""
    root = Path(undercroft.__file__).parent
    files = [
        ".".join(["undercroft", *path.relative_to(root).with_suffix("").parts]) for path in root.rglob("settings.py")
    ]
    for file in files:
        import_module(file)
    ours = [declared for declared in SettingsBase.declared if declared.__module__ in files]
    return sorted(ours, key=lambda declared: (declared.__module__ != CORE_SETTINGS, declared.__module__))


def check_settings(environment: Environment) -> None:
    """Validate all settings; in production, also refuse insecure ones.

    Raises one `ConfigurationError` with all errors.
    """
    instances = _load_all()
    if environment is not Environment.PRODUCTION:
        return
    errors = [error for instance in instances for error in instance.production_errors()]
    if errors:
        listed = "\n".join(f"  - {error}" for error in errors)
        raise ConfigurationError(
            f"These settings are invalid for production:\n{listed}\n"
            "Set them in the environment or in .env. For development, use `undercroft dev`."
        )


def _load_all() -> list[SettingsBase]:
    instances, errors = [], list[str]()
    for declared in list_settings_classes():
        try:
            instances.append(load(declared))
        except ConfigurationError as error:
            errors += str(error).splitlines()
    if errors:
        raise ConfigurationError("\n".join(dict.fromkeys(errors)))
    return instances


def _sort_by_dependency(found: Mapping[str, LoadedModule]) -> list[str]:
    needs = {name: module.declaration.requires for name, module in sorted(found.items())}
    for name, required in needs.items():
        package = found[name].package
        for other in required:
            if other not in needs:
                close = get_close_matches(other, needs, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Available: {', '.join(needs)}."
                raise CodeError(f"Module {name} requires {other}, which does not exist. {hint}", at=package)
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise CodeError(
            f"Modules require each other: {' → '.join(circle)}. Remove one of them from the `requires` of the other.",
            at=found[circle[0]].package,
        ) from None
