"""Describes the services that extensions can override, with their overrides."""

from collections.abc import Iterator

from undercroft.app.discovery import LoadedModule
from undercroft.app.explain.description import Description, Facts, owner_of, refer, summarize, without_empty
from undercroft.app.explain.sources import find_uses
from undercroft.app.registry import get_registry
from undercroft.app.service_overrides import list_services, overridden_methods, public_methods
from undercroft.core.overrides import Service
from undercroft.core.telemetry.origin import locate


def describe_services() -> Iterator[Description]:
    """Describe the services that can be overridden, in the order of the modules."""
    for service, module in list_services(get_registry().modules).items():
        yield _describe(service, module)


def _describe(service: type[Service], module: LoadedModule) -> Description:
    override, name = get_registry().overrides.get(service), service.__name__
    methods = public_methods(service)
    replaced = overridden_methods(service, override) if override else ()
    facts: Facts = {
        "module": module.name,
        "methods": methods,
        "must_call_super": [each for each in methods if hasattr(getattr(service, each), "__call_super__")],
        "overridden_by": [refer(override, f"{owner_of(override)}.{override.__name__}")] if override else None,
        "overridden_methods": [refer(method) for _, method in replaced],
    }

    def look() -> Facts:
        uses = find_uses(rf"(?<!class )\b{name}(\.for_team)?\(", mentioning=name)
        return without_empty({"created_in": uses, "copy_with": f"undercroft eject {name}.{methods[0]}"})

    aliases = (f"{module.name}.{name}",)
    return Description("service", name, locate(service), summarize(service), without_empty(facts), aliases, look)
