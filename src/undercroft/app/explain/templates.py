"""Describes emails and pages, with the project's overrides."""

from collections.abc import Iterator

from jinja2 import meta

from undercroft.app.explain.description import Description, Facts, without_empty
from undercroft.app.explain.sources import find_quoted
from undercroft.app.overrides import Template, TemplateKind, list_template_overrides, list_templates
from undercroft.core.telemetry.origin import relative_path

_KINDS = {TemplateKind.EMAIL: "email", TemplateKind.PAGE: "page"}


def describe_templates() -> Iterator[Description]:
    """Describe the templates: emails, then pages, sorted by name."""
    overrides = {each.path: each for each in list_template_overrides()}
    for template in list_templates():
        override = overrides.get(template.override)
        original = f"{relative_path(str(template.original))}:1"
        facts: Facts = {
            "module": template.module.name if template.module else "core",
            "original": original if override else None,
            "overridden_by": f"{override.path}:1 ({override.status})" if override else None,
            "extends": _referenced(template),
        }
        name = template.name.rpartition(".")[0] if template.kind is TemplateKind.EMAIL else template.name
        yield Description(
            _KINDS[template.kind],
            template.name,
            f"{override.path}:1" if override else original,
            "",
            without_empty(facts),
            (name, template.qualified_name, f"{template.kind}/{name}"),
            lambda template=template, name=name: without_empty(_inspect(template, name)),  # type: ignore[misc]
        )


def _referenced(template: Template) -> list[str]:
    tree = template.kind.environment.parse(template.original.read_text(encoding="utf-8"))
    return sorted({name for name in meta.find_referenced_templates(tree) if name})


def _inspect(template: Template, name: str) -> Facts:
    environment = template.kind.environment
    tree = environment.parse(template.original.read_text(encoding="utf-8"))
    return {
        "variables": sorted(meta.find_undeclared_variables(tree) - environment.globals.keys()),
        "used_in": find_quoted(name),
        "copy_with": None if template.override.exists() else f"undercroft eject {template.qualified_name}",
    }
