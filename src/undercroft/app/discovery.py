"""Finds the modules, checks their declared order and imports the files whose names say what a module adds."""

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
"""File names with a meaning. A module may have others for itself."""


class Module(Struct, frozen=True):
    """One capability: a package whose `REQUIRES` names the modules it builds on."""

    name: str
    package: ModuleType

    @property
    def requires(self) -> tuple[str, ...]:
        return tuple(getattr(self.package, "REQUIRES", ()))

    @property
    def enabled(self) -> bool:
        """False when the package's `enabled()` says so: then it has no routes and no pages."""
        return bool(getattr(self.package, "enabled", lambda: True)())

    @property
    def folder(self) -> Path:
        assert self.package.__file__ is not None
        return Path(self.package.__file__).parent

    def load_submodule(self, name: str) -> ModuleType | None:
        """The module's file of this name, imported; None when it has none."""
        assert name in SUBMODULES, name
        found = (self.folder / f"{name}.py").exists() or (self.folder / name / "__init__.py").exists()
        return import_module(f"{self.package.__name__}.{name}") if found else None


@cache
def modules() -> tuple[Module, ...]:
    """Every module, each after those it requires, otherwise by name.

    Raises `CodeError` for a requirement that does not exist and for a circle.
    """
    found = {
        info.name: Module(info.name, import_module(f"{built_in.__name__}.{info.name}"))
        for info in iter_modules(built_in.__path__)
        if info.ispkg
    }
    return tuple(found[name] for name in _sort_by_dependency(found))


def load_submodules(name: str) -> Iterator[ModuleType]:
    """The files of this name of all modules, in the modules' order."""
    for module in modules():
        part = module.load_submodule(name)
        if part is not None:
            yield part


def load_models() -> None:
    """Import every table, so that metadata and relations are whole."""
    import_module("undercroft.jobs.models")
    for _ in load_submodules("models"):
        pass


def prepare() -> None:
    """Import what modules add to every process: tables, permissions, subscribers and mail templates."""
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
        raise CodeError(f"{part.__name__} lacks PERMISSIONS, the tuple of what the module declares.", at=part)
    try:
        permissions.register_permissions(part.PERMISSIONS)
    except ValueError as error:
        raise CodeError(f"{error} Give it another name.", at=part) from None


def list_settings_classes() -> list[type[SettingsBase]]:
    """Every settings class of the product: whatever a file called `settings.py` declares, in a stable order."""
    root = Path(undercroft.__file__).parent
    files = [
        ".".join(["undercroft", *path.relative_to(root).with_suffix("").parts]) for path in root.rglob("settings.py")
    ]
    for file in files:
        import_module(file)
    ours = [declared for declared in SettingsBase.declared if declared.__module__ in files]
    return sorted(ours, key=lambda declared: (declared.__module__ != CORE_SETTINGS, declared.__module__))


def check_settings(environment: Environment) -> None:
    """Read all settings; in production, refuse weak ones.

    Raises `ConfigurationError` that names every fault in one message.
    """
    instances = _load_all()
    if environment is not Environment.PRODUCTION:
        return
    errors = [error for instance in instances for error in instance.production_errors()]
    if errors:
        listed = "\n".join(f"  - {error}" for error in errors)
        raise ConfigurationError(
            f"These settings are not fit for production:\n{listed}\n"
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


def _sort_by_dependency(found: Mapping[str, Module]) -> list[str]:
    needs = {name: module.requires for name, module in sorted(found.items())}
    for name, required in needs.items():
        package = found[name].package
        if isinstance(getattr(package, "REQUIRES", ()), str):
            raise CodeError(f"REQUIRES of {name} is a tuple of names: REQUIRES = ({package.REQUIRES!r},).", at=package)
        for other in required:
            if other not in needs:
                close = get_close_matches(other, needs, 1)
                hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(needs)}."
                raise CodeError(f"Module {name} requires {other}, which does not exist. {hint}", at=package)
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise CodeError(
            f"Modules require each other in a circle: {' → '.join(circle)}. Take one out of the other's REQUIRES.",
            at=found[circle[0]].package,
        ) from None
