"""Writes copies into `overrides.py` of an extension and registers them in OVERRIDES."""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from undercroft.app.service_copies.copy import MethodCopy, copy_method, find_public_home
from undercroft.app.service_copies.edits import add_entry, add_import, insert_after
from undercroft.app.service_copies.methods import ServiceMethod
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS
from undercroft.core.settings import CoreSettings, load


def choose_extension(name: str) -> Path:
    """Return the folder of the extension to write to: the one with this name, or without a name the only one.

    Raises `ConfigurationError` if there is none, or several.
    """
    folders = {file.parent.name: file.parent for file in sorted(Path(EXTENSIONS).glob("*/__init__.py"))}
    enabled = [each for each in folders if each in load(CoreSettings).enabled_extensions]
    if name:
        if name in folders:
            return folders[name]
        raise ConfigurationError(f"There is no folder {EXTENSIONS}/{name}. `undercroft new-extension {name}` makes it.")
    chosen = [*folders] if len(folders) == 1 else enabled
    if len(chosen) == 1:
        return folders[chosen[0]]
    if not folders:
        raise ConfigurationError("The override belongs into an extension. Create one: `undercroft new-extension NAME`.")
    raise ConfigurationError(f"Choose the extension with --extension: {', '.join(folders)}.")


def write_override(method: ServiceMethod, folder: Path) -> tuple[Path, MethodCopy]:
    """Write the copy of a method into `overrides.py` of an extension, and register it in OVERRIDES.

    Raises `ConfigurationError` if the extension overrides this method already, or the file cannot be extended.
    """
    file, copy = folder / "overrides.py", copy_method(method)
    text = file.read_text(encoding="utf-8") if file.exists() else '"""Services that this extension overrides."""\n'
    home = find_public_home(method.service.__name__, method.service, method.module.package.__name__)
    block = textwrap.indent(f"{method.header}\n{copy.source}\n", "    ")
    _require_optional(method, folder)
    _parse(text, file)
    needed = {*copy.imports, (home, method.service.__name__)}
    for module, name in sorted(_list_conflicts(text, needed)):
        alias = f"{module.rpartition('.')[2].capitalize()}{name}"
        block = re.sub(rf"\b{name}\b", alias, block)
        needed = needed - {(module, name)} | {(module, f"{name} as {alias}")}
    text = _add_method(text, file, method, block, folder.name)
    for module, name in sorted(needed):
        text = add_import(text, module, name)
    file.write_text(text, encoding="utf-8")
    return file, copy


def _list_conflicts(text: str, needed: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the needed names that the file imports from another module."""
    imported = {
        alias.asname or alias.name: node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    yield from ((module, name) for module, name in needed if imported.get(name, module) != module)


def _parse(text: str, file: Path) -> ast.Module:
    """Raises `ConfigurationError` for a syntax error."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise ConfigurationError(f"{file}:{error.lineno}: {error.msg}. Fix it.") from None


def _require_optional(method: ServiceMethod, folder: Path) -> None:
    """Raise `ConfigurationError` if the extension does not require the optional module of the service."""
    from undercroft.app.optional_modules import optional_modules, read_declaration, with_requirements

    required = tuple(read_declaration(folder / "__init__.py").get("requires", ()))
    if method.module.name in optional_modules() and method.module.name not in with_requirements(required):
        names = (*required, method.module.name)
        listed = ", ".join(f'"{each}"' for each in names) + ("," if len(names) == 1 else "")
        raise ConfigurationError(
            f"The module {method.module.name} is optional. Require it in {folder / '__init__.py'}: "
            f"MODULE = Module(requires=({listed}))."
        )


def _add_method(text: str, file: Path, method: ServiceMethod, block: str, extension: str) -> str:
    """Add a method to the class that overrides the service, or add that class."""
    tree = _parse(text, file)
    table = next((each for each in tree.body if isinstance(each, ast.Assign | ast.AnnAssign) and _is_table(each)), None)
    service, classes = (
        method.service.__name__,
        {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)},
    )
    if table is None:
        name = f"{extension.title().replace('_', '')}{service}"
        return f"{text.rstrip()}\n\n\nclass {name}({service}):\n{block}\n\nOVERRIDES = {{{service}: {name}}}\n"
    assert isinstance(table.value, ast.Dict)
    entries = {
        ast.unparse(key): ast.unparse(value)
        for key, value in zip(table.value.keys, table.value.values, strict=True)
        if key
    }
    found = classes.get(entries.get(service, ""))
    if service in entries and found is None:
        raise ConfigurationError(f"{file} overrides {service} by a class of another file. Add the method there.")
    if found is not None:
        if any(
            isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == method.name for each in found.body
        ):
            raise ConfigurationError(
                f"{file}:{found.lineno}: {found.name} overrides {method.name} already. Delete that method, or use "
                "--merged to state that it contains the changes of the original."
            )
        return insert_after(text, found.end_lineno or 0, f"\n{block}")
    name = f"{extension.title().replace('_', '')}{service}"
    text = add_entry(text, table.value, f"{service}: {name}")
    return insert_after(text, table.lineno - 1, f"class {name}({service}):\n{block}\n\n")


def _is_table(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(each, ast.Name) and each.id == "OVERRIDES" for each in targets) and isinstance(
        node.value, ast.Dict
    )
