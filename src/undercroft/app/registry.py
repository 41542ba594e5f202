"""The registry: what the modules of one application declare. It is read-only.

Each part is loaded when it is first used: a process that never serves `/admin` does not import the admin views. The
core packages look their part up in the context, `current_context().get(Permissions)`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import structlog
from sqlmodel import SQLModel
from starlette.routing import BaseRoute

from undercroft import modules as built_in
from undercroft.app.discovery import (
    LoadedModule,
    defined_in,
    find_extension,
    find_modules,
    list_settings_classes,
    resources_of,
)
from undercroft.app.optional_modules import built_in_names
from undercroft.app.route_checks import check_routes, find_routers
from undercroft.app.service_overrides import merge_overrides
from undercroft.core.adapters import Adapter, Adapters
from undercroft.core.audit import ActionHandler, AuditTrail
from undercroft.core.auth.permissions import Permission, Permissions
from undercroft.core.context import AppContext, current_context, use_context
from undercroft.core.crud import Resource
from undercroft.core.crud.declaration import build_permissions
from undercroft.core.crud.extra_fields import Extensible, build_entity_fields, build_extended_schemas, of_resource
from undercroft.core.crud.router import crud_router
from undercroft.core.db import ExtraFields
from undercroft.core.db.entity_fields import EntityFieldsByModel
from undercroft.core.errors import CodeError
from undercroft.core.events import Subscriber, SubscriberQueue, Subscribers
from undercroft.core.extras import require_extra
from undercroft.core.hooks import Hook, HookPoint, Hooks
from undercroft.core.http import Router
from undercroft.core.http.application import mount_route
from undercroft.core.http.assets import Assets
from undercroft.core.http.extended_schemas import ExtendedSchemas
from undercroft.core.http.limits import RateLimits
from undercroft.core.http.pages import PageTemplates
from undercroft.core.live import Live
from undercroft.core.model_classes import ForeignModels
from undercroft.core.modules import (
    EXTENSIONS,
    AdminComponents,
    ModuleFiles,
    ModuleFolders,
    RequestHeaders,
    SecuritySchemes,
    available_extensions,
)
from undercroft.core.overrides import Overrides
from undercroft.core.runtime_settings import RuntimeSettings
from undercroft.core.settings import CoreSettings, SettingsBase, load, read_environ
from undercroft.core.statistics import Statistics, StatisticsSections
from undercroft.core.telemetry.origin import explain_error
from undercroft.jobs.backfills.declaration import Backfill, Backfills
from undercroft.jobs.registry import Task, Tasks
from undercroft.jobs.subscribers import SubscriberTasks
from undercroft.providers.email import EmailTemplates, OutgoingEmail

T = TypeVar("T")
log = structlog.get_logger("undercroft.application")


class Registry:
    """The declarations of the modules, in the order of the modules: built-in ones first."""

    def __init__(self, modules: tuple[LoadedModule, ...]) -> None:
        self.modules = modules

    @property
    def extensions(self) -> tuple[LoadedModule, ...]:
        return tuple(module for module in self.modules if module.is_extension)

    @cached_property
    def disabled(self) -> frozenset[str]:
        """The names of the built-in modules that DISABLED_MODULES leaves out."""
        return frozenset(built_in_names()).difference(module.name for module in self.modules)

    @cached_property
    def settings_classes(self) -> list[type[SettingsBase]]:
        return list_settings_classes(self.extensions, self.disabled)

    def install(self, context: AppContext) -> None:
        """Add the registry and its parts to a context."""
        context.add(Registry, self)
        context.add(ModuleFiles, ModuleFiles(self.parts))
        context.add(ModuleFolders, ModuleFolders(self.find_folders))
        context.add_factory(RuntimeSettings, lambda: RuntimeSettings(self.settings_classes))
        context.add_factory(ForeignModels, lambda: self.foreign_models)
        context.add_factory(EntityFieldsByModel, lambda: self.entity_fields)
        context.add_factory(ExtendedSchemas, lambda: self.extended_schemas)
        context.add_factory(Permissions, lambda: self.permissions)
        context.add_factory(Subscribers, lambda: self.subscribers)
        context.add_factory(SubscriberQueue, lambda: self.subscriber_tasks)
        context.add_factory(Hooks, lambda: self.hooks)
        context.add_factory(Overrides, lambda: self.overrides)
        context.add_factory(AuditTrail, lambda: self.audit_trail)
        context.add_factory(Tasks, lambda: self.tasks)
        context.add_factory(Backfills, lambda: self.backfills)
        context.add_factory(RateLimits, lambda: self.rate_limits)
        context.add_factory(SecuritySchemes, lambda: self.security_schemes)
        context.add_factory(RequestHeaders, lambda: self.request_headers)
        context.add_factory(EmailTemplates, lambda: self.email_templates)
        context.add_factory(PageTemplates, lambda: self.page_templates)
        context.add_factory(Assets, lambda: self.assets)
        context.add_factory(Adapters, lambda: self.adapters)
        context.add_factory(AdminComponents, lambda: self.admin)
        context.add_factory(StatisticsSections, lambda: self.statistics)

    def load(self) -> None:
        """Import what every process needs, so that no request or job imports it: models, permissions, hooks …."""
        self.load_models()
        _ = self.permissions, self.subscriber_tasks, self.hooks, self.overrides, self.audit_trail
        _ = self.extended_schemas

    def load_models(self) -> None:
        """Import all models and extra fields, so that the metadata is complete."""
        import_module("undercroft.core.live.models")
        import_module("undercroft.jobs.models")
        for _ in (*self.parts("models"), self.extra_fields):
            pass

    @cached_property
    def extensible(self) -> tuple[Extensible, ...]:
        """The entities to which extensions may add fields."""
        built_in = [module for module in self.modules if not module.is_extension]
        parts = (module.load_submodule("fields") for module in built_in)
        resources = (each for module in built_in for each in resources_of(module) if each.extensible)
        return (*(each for part in parts for each in getattr(part, "EXTENSIBLE", ())), *map(of_resource, resources))

    @cached_property
    def extra_fields(self) -> tuple[type[ExtraFields], ...]:
        """The fields that extensions add to entities."""
        parts = (module.load_submodule("fields") for module in self.extensions)
        found = (each for part in parts if part is not None for each in defined_in(part, type))
        return tuple(each for each in found if issubclass(each, ExtraFields))

    @cached_property
    def entity_fields(self) -> EntityFieldsByModel:
        return build_entity_fields(self.extensible, self.extra_fields) if self.extra_fields else EntityFieldsByModel()

    @cached_property
    def extended_schemas(self) -> ExtendedSchemas:
        return build_extended_schemas(self.extensible, self.entity_fields) if self.extra_fields else ExtendedSchemas()

    @cached_property
    def foreign_models(self) -> ForeignModels:
        """The models of extensions and disabled modules that other applications in this process have."""
        self.load_models()
        own = tuple(f"{module.package.__name__}." for module in self.extensions)
        installed = (package for packages in available_extensions().values() for package in packages)
        disabled = (f"{built_in.__name__}.{name}" for name in self.disabled)
        others = tuple(f"{package}." for package in (EXTENSIONS, *installed, *disabled))

        def is_foreign(model: type[SQLModel]) -> bool:
            if model.__module__.startswith(own):
                return False
            return model.__module__.startswith(others) or issubclass(model, ExtraFields)

        return ForeignModels(is_foreign)

    def parts(self, name: str) -> Iterator[ModuleType]:
        """Import and yield the files with this name of all modules."""
        for module in self.modules:
            part = module.load_submodule(name)
            if part is not None:
                yield part

    def folders(self, name: str) -> tuple[Path, ...]:
        """Return the existing folders with this path of all modules."""
        return tuple(self.find_folders(name).values())

    def find_folders(self, name: str) -> dict[str, Path]:
        """Return the existing folders with this path of all modules, by the name of the module."""
        return {module.name: folder for module in self.modules if (folder := module.folder / name).is_dir()}

    @cached_property
    def permissions(self) -> Permissions:
        return _build(Permissions, self._declared_permissions())

    def _declared_permissions(self) -> Iterator[tuple[Any, tuple[Permission, ...]]]:
        for module in self.modules:
            part = module.load_submodule("permissions")
            if part is not None:
                if not hasattr(part, "PERMISSIONS"):
                    message = f"{part.__name__} must define PERMISSIONS, a tuple of the module's permissions."
                    raise CodeError(message, at=part)
                yield part, part.PERMISSIONS
            for resource in resources_of(module):
                yield resource, build_permissions(resource)

    @cached_property
    def subscribers(self) -> Subscribers:
        return Subscribers(self._collect("subscribers", Subscriber))

    @cached_property
    def subscriber_tasks(self) -> SubscriberTasks:
        """The tasks of the subscribers that run after the commit."""
        return SubscriberTasks(self.subscribers)

    @cached_property
    def live_values(self) -> list[Live[Any]]:
        """The values in the files `live.py` that each process keeps fresh."""
        return self._collect("live", Live)

    @cached_property
    def hooks(self) -> Hooks:
        """The hooks by point. Raises `CodeError` for a point that is not in the file `hooks.py` of its module."""
        points: list[type[HookPoint]] = [OutgoingEmail]
        points += [each for each in self._collect("hooks", type) if issubclass(each, HookPoint)]
        hooks: list[Hook[Any]] = self._collect("hooks", Hook)
        for hook in hooks:
            if hook.point not in points:
                known = ", ".join(sorted(point.__name__ for point in points))
                message = f"No operation of this application is decided at {hook.point.__name__}. Points: {known}."
                raise CodeError(message, at=hook.function)
        return Hooks(hooks, points)

    @cached_property
    def overrides(self) -> Overrides:
        """The services that extensions override. Raises `CodeError` if two override the same one."""
        return merge_overrides(self.extensions)

    @cached_property
    def audit_trail(self) -> AuditTrail:
        """The sink is the `AUDIT_SINK` of the module `audit`."""
        (sink,) = [part.AUDIT_SINK for part in self.parts("subscribers") if hasattr(part, "AUDIT_SINK")]
        return AuditTrail(sink, self._collect("subscribers", ActionHandler))

    @cached_property
    def tasks(self) -> Tasks:
        from undercroft.jobs import maintenance

        backfills = [each.task for each in self.backfills.by_name.values()]
        found = [maintenance.clean_up, *self._collect("tasks", Task), *self.subscriber_tasks.all, *backfills]
        names = [task.name for task in found]
        twice = next((task for index, task in enumerate(found) if task.name in names[:index]), None)
        if twice is None:
            return Tasks(found)
        raise CodeError(f"The task name {twice.name} is taken. Give it another name.", at=twice.function)

    @cached_property
    def backfills(self) -> Backfills:
        return Backfills(self._collect("backfills", Backfill))

    @cached_property
    def rate_limits(self) -> RateLimits:
        return _build(RateLimits, ((part, getattr(part, "LIMITS", {}).items()) for part in self.parts("limits")))

    @cached_property
    def security_schemes(self) -> SecuritySchemes:
        declared = (module.declaration.security_schemes for module in self.modules)
        return SecuritySchemes({name: scheme for each in declared if each for name, scheme in each().items()})

    @cached_property
    def request_headers(self) -> RequestHeaders:
        return RequestHeaders(header for module in self.modules for header in module.declaration.request_headers)

    @cached_property
    def email_templates(self) -> EmailTemplates:
        return EmailTemplates(self.folders("templates/emails"))

    @cached_property
    def page_templates(self) -> PageTemplates:
        return PageTemplates(self.folders("templates/pages"))

    @cached_property
    def assets(self) -> Assets:
        return Assets(self.folders("assets"))

    @cached_property
    def adapters(self) -> Adapters:
        parts = self.parts("providers")
        return _build(
            Adapters, ((part, [each for each in vars(part).values() if isinstance(each, Adapter)]) for part in parts)
        )

    @cached_property
    def statistics(self) -> StatisticsSections:
        found: dict[str, type[Statistics]] = {}
        for each in self._collect("statistics", type):
            if issubclass(each, Statistics) and found.setdefault(each.section, each) is not each:
                message = f"The statistics section {each.section} is declared twice. Give it another name."
                raise CodeError(message, at=each)
        return StatisticsSections(found)

    @cached_property
    def admin(self) -> AdminComponents:
        require_extra("sqladmin", "admin", "The admin interface needs SQLAdmin")
        from undercroft.core.admin import AdminView
        from undercroft.core.crud.admin import build_view

        views = [view for view in self._collect("admin", type) if issubclass(view, AdminView)]
        resources = (resource for module in self.modules for resource in resources_of(module))
        views += [build_view(resource) for resource in resources if resource.admin_columns]
        charts = [chart for part in self.parts("admin") for chart in getattr(part, "CHARTS", ())]
        return AdminComponents(views, charts, list(self.folders("templates/admin")))

    def _collect(self, name: str, kind: type[T]) -> list[T]:
        return [each for part in self.parts(name) for each in defined_in(part, kind)]


def _build(kind: Callable[[list[Any]], T], declared: Iterable[tuple[Any, Iterable[Any]]]) -> T:
    """Return a part of the registry with what each file declares. Raises `CodeError` for a name that is taken."""
    found: list[Any] = []
    for at, declarations in declared:
        try:
            kind(found := [*found, *declarations])
        except ValueError as error:
            raise CodeError(f"{error} Give it another name.", at=at) from None
    return kind(found)


def get_registry() -> Registry:
    """Return the registry of the current context. The first call finds the modules and adds their parts to it.

    Raises `CodeError` for an invalid module, and `ConfigurationError` for an unknown extension.
    """
    context = current_context()
    registry = context.find(Registry)
    if registry is None:
        registry = _create_registry()
        registry.install(context)
    return registry


def _create_registry() -> Registry:
    """Find the built-in modules and the enabled extensions, without broken ones if these are skipped."""
    modules, found = find_modules(frozenset(load(CoreSettings).disabled_modules)), list[LoadedModule]()
    for name in dict.fromkeys(load(CoreSettings).enabled_extensions):
        with skip_if_broken(name):
            found.append(_find_valid_extension((*modules, *found), name))
    if len(found) > 1:
        with suppress(Exception):  # the loop finds out which extension it is
            return check_together(modules, found)
    for extension in found:
        with skip_if_broken(extension.name):
            modules = check_together(modules, [extension]).modules
    return Registry(modules)


class SkippedExtensions(set[str]):
    """The names of the extensions that could not be loaded or started."""


@contextmanager
def skip_if_broken(extension: str) -> Iterator[None]:
    """Report an exception in the block and continue without the extension, if EXTENSION_ERRORS is `skip`."""
    try:
        yield
    except Exception as error:
        if not load(CoreSettings).skips_broken_extensions:
            raise
        log.error("extension.skipped", extension=extension, reason=explain_error(error))
        context = current_context()
        skipped = context.find(SkippedExtensions)
        (context.add(SkippedExtensions, SkippedExtensions()) if skipped is None else skipped).add(extension)


def load_extension(name: str) -> LoadedModule:
    """Load an extension as if it were the only one, also if it is not enabled. Raises what loading it raises."""
    context = AppContext(read_environ())
    with use_context(context):
        modules = find_modules(frozenset(load(CoreSettings).disabled_modules))
        extension = _find_valid_extension(modules, name)
        check_together(modules, [extension])
        return extension


def _find_valid_extension(modules: tuple[LoadedModule, ...], name: str) -> LoadedModule:
    """Return the extension, after checking its files. Raises what loading it raises."""
    from undercroft.app.extension_rules import RuleContext, check_extension  # with the linter, which others do not need

    extension = find_extension(name)
    others = {module.name: module.package.__name__ for module in Registry(modules).extensions}
    check_extension(extension, RuleContext(others, Registry(modules).disabled))
    return extension


def check_together(modules: tuple[LoadedModule, ...], extensions: Sequence[LoadedModule]) -> Registry:
    """Return the registry with these extensions. Raises `CodeError` for taken names and invalid routes of them."""
    context = AppContext(current_context().environ)
    registry = Registry((*modules, *extensions))
    registry.install(context)
    with use_context(context):
        registry.load()
        _ = registry.tasks, registry.rate_limits, registry.statistics, registry.adapters
        for extension in extensions:
            for file in ("lifespan", "seeds"):
                extension.load_submodule(file)
            check_routes(mounted_routes(extension), complete=load(CoreSettings).is_development)
    return registry


@cache
def mounted_routes(module: LoadedModule) -> tuple[BaseRoute, ...]:
    """Return the routes of a module under the path at which it is mounted."""
    routers = (router for name in ("routes", "pages") for router in module_routers(module, name))
    return tuple(mount_route(route, module.mount) for router in routers for route in router.routes)


def module_routers(module: LoadedModule, name: str) -> list[Router]:
    """Return the routers in the module's file `routes` or `pages`, and with the routes those of its resources."""
    part = module.load_submodule(name)
    resources = resource_routers(module).values() if name == "routes" else ()
    return [*(find_routers(part) if part else ()), *resources]


@cache
def resource_routers(module: LoadedModule) -> dict[type[Resource[Any]], Router]:
    """Return the routers of the module's resources by resource."""
    return {resource: crud_router(resource) for resource in resources_of(module)}
