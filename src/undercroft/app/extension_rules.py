"""The rules for extensions, checked when an extension is loaded. Each violation is a `CodeError` with its location."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

import undercroft
from undercroft.app.discovery import LoadedModule, check_requirements, defined_in, find_modules, tables_of
from undercroft.app.optional_modules import built_in_names, optional_modules, with_requirements
from undercroft.app.service_overrides import check_overrides
from undercroft.core.errors import CodeError
from undercroft.core.settings import SettingsBase, env_name
from undercroft.jobs import Task
from undercroft.jobs.backfills.declaration import Backfill
from undercroft.lint.extension_changes import find_changes_of_imports, find_missing_downgrade, find_tables
from undercroft.lint.extension_imports import NOT_APPLICATION, find_forbidden_imports
from undercroft.lint.sources import list_nodes

NAMESPACES = ("templates/emails", "templates/pages")


class RuleContext(Struct, frozen=True):
    """The packages of other extensions by name, and the built-in modules that DISABLED_MODULES names."""

    others: Mapping[str, str]
    disabled: frozenset[str] = frozenset()


def check_extension(module: LoadedModule, context: RuleContext) -> None:
    """Raise `CodeError` for the first rule that an extension breaks."""
    for rule in RULES.values():
        rule(module, context)


def _check_requirements(module: LoadedModule, context: RuleContext) -> None:
    if wrong := context.others.keys() & set(module.declaration.requires):
        raise CodeError(
            f"The extension {module.name} requires the extension {min(wrong)}. Extensions communicate only through "
            "events: remove it from `requires`.",
            at=module.package,
        )
    check_requirements(module, built_in_names())
    if missing := context.disabled.intersection(module.declaration.requires):
        raise CodeError(
            f"The extension {module.name} requires {min(missing)}, which is in DISABLED_MODULES. Remove it there, or "
            f"{module.name} from ENABLED_EXTENSIONS.",
            at=module.package,
        )


def _check_imports(module: LoadedModule, context: RuleContext) -> None:
    undeclared = frozenset(optional_modules()) - with_requirements(module.declaration.requires)
    for file in sorted(module.folder.rglob("*.py")):
        if NOT_APPLICATION.isdisjoint(file.relative_to(module.folder).parts):
            nodes = list_nodes(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)))
            for statement, message in find_forbidden_imports(
                nodes, module.package.__name__, context.others.values(), undeclared
            ):
                raise CodeError(message, at=(str(file), statement.lineno))
            for change, name in find_changes_of_imports(nodes):
                raise CodeError(
                    f"{name} belongs to Undercroft, and an extension must not change it. For more fields, declare "
                    "ExtraFields in fields.py; for other behavior, override a service in overrides.py or subscribe to "
                    "an event.",
                    at=(str(file), change.lineno),
                )


def _check_migrations(module: LoadedModule, _context: RuleContext) -> None:
    for file in sorted((module.folder / "migrations" / "versions").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        if line := find_missing_downgrade(tree):
            raise CodeError(
                "This migration cannot be reverted, so neither can an upgrade. Write `downgrade()`: the opposite of "
                "each step of `upgrade()`, in the reverse order.",
                at=(str(file), line),
            )
        for line, table in find_tables(tree):
            if not _is_prefixed(table, module.name, "_"):
                raise CodeError(
                    f"This migration changes the table {table}, which does not belong to {module.name}. For more "
                    f"fields, declare ExtraFields in fields.py; otherwise use a table {module.name}_….",
                    at=(str(file), line),
                )


def _check_templates(module: LoadedModule, _context: RuleContext) -> None:
    for folder in (module.folder / name for name in NAMESPACES):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.relative_to(folder).parts[0] != module.name:
                target = folder / module.name / file.name
                raise CodeError(
                    f"{file.name} could replace a template of another module. Move it to {target}.", at=(str(file), 1)
                )


def _check_tables(module: LoadedModule, _context: RuleContext) -> None:
    for model in tables_of(module):
        table = str(model.__tablename__)
        if not _is_prefixed(table, module.name, "_"):
            raise CodeError(
                f"The table {table} of the extension {module.name} must be named {module.name}_…: "
                f'__tablename__ = "{module.name}_{table}".',
                at=model,
            )


def _check_tasks(module: LoadedModule, _context: RuleContext) -> None:
    kinds: dict[str, type[Any]] = {"tasks": Task, "backfills": Backfill}
    parts = {name: module.load_submodule(name) for name in kinds}
    for task in (each for name, part in parts.items() if part for each in defined_in(part, kinds[name])):
        if not _is_prefixed(task.name, module.name, "."):
            suffix = re.sub(r"\W+", "_", task.name.rpartition(".")[2])
            kind = type(task).__name__.lower()
            raise CodeError(
                f"The {kind} {task.name} of the extension {module.name} must be named {module.name}.…: "
                f'name="{module.name}.{suffix}".',
                at=task.function,
            )


def _check_flags(module: LoadedModule, _context: RuleContext) -> None:
    part: Any = module.load_submodule("flags")
    for flag in vars(part).values() if part else ():
        if type(flag).__name__ == "Flag" and not _is_prefixed(flag.key, module.name, "."):
            raise CodeError(
                f"The flag {flag.key} of the extension {module.name} must be named {module.name}.…: "
                f'Flag("{module.name}.{flag.key.rpartition(".")[2]}", …).',
                at=part,
            )


def _check_settings(module: LoadedModule, _context: RuleContext) -> None:
    part = module.load_submodule("settings")
    for declared in defined_in(part, type) if part else ():
        if not issubclass(declared, SettingsBase):
            continue
        prefix = f"{module.name}_"
        wrong = [name for name in declared.model_fields if not env_name(declared, name).startswith(prefix.upper())]
        if wrong:
            raise CodeError(
                f"The setting {env_name(declared, wrong[0])} of the extension {module.name} must begin with "
                f'{prefix.upper()}: model_config = SettingsConfigDict(env_prefix="{prefix}").',
                at=declared,
            )
        if not declared.section:
            raise CodeError(f'{declared.__name__} has no section: section = "{module.name.capitalize()}".', at=declared)


def _check_subscribers(module: LoadedModule, _context: RuleContext) -> None:
    part: Any = module.load_submodule("subscribers")
    if hasattr(part, "AUDIT_SINK"):
        raise CodeError("An extension cannot replace the audit log: remove AUDIT_SINK. Use @on_action.", at=part)


def _check_overrides(module: LoadedModule, context: RuleContext) -> None:
    check_overrides(module, find_modules(context.disabled))


def _check_commands(module: LoadedModule, _context: RuleContext) -> None:
    """Check the commands without importing them: only the command line needs them."""
    file = module.folder / "commands.py"
    if not file.exists():
        return
    if (Path(undercroft.__file__).parent / "cli" / f"{module.name}.py").exists():
        message = f"`undercroft {module.name}` is a command of Undercroft. Rename the extension."
        raise CodeError(message, at=(str(file), 1))
    if not re.search(r"^app\b", file.read_text(encoding="utf-8"), re.MULTILINE):
        message = "commands.py must define `app = typer.Typer(…)`, the group of its commands."
        raise CodeError(message, at=(str(file), 1))


def _is_prefixed(name: str, prefix: str, separator: str) -> bool:
    return name == prefix or name.startswith(prefix + separator)


RULES: dict[str, Callable[[LoadedModule, RuleContext], None]] = {
    "requirements": _check_requirements,
    "imports": _check_imports,
    "templates": _check_templates,
    "migration files": _check_migrations,
    "tables": _check_tables,
    "tasks": _check_tasks,
    "flags": _check_flags,
    "settings": _check_settings,
    "subscribers": _check_subscribers,
    "overrides": _check_overrides,
    "commands": _check_commands,
}
"""The rules by name, in the order in which they are checked: those that read only the source come before imports."""
