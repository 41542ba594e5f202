"""Copies of methods of services, which `undercroft eject TeamService.create` writes into an extension.

The copy calls the original if that checks access, or if the copied statements would need private names; the statements
of the original then follow as a comment. A comment above the copy has the hash of the original.
"""

import ast
import builtins
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

import undercroft
from undercroft.app.discovery import LoadedModule
from undercroft.app.override_status import Override, OverrideStatus
from undercroft.app.registry import get_registry
from undercroft.app.service_overrides import list_services, parse_method, public_methods
from undercroft.core.crud import Resource
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS
from undercroft.core.overrides import Service
from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry.origin import locate

PROTECTED = frozenset({"_session", "_principal"})
"""Private attributes that subclasses may use."""
WIDTH = 120
_HEADER = re.compile(
    r"^(?P<indent> *)# Copy of (?P<name>[\w.]+) of undercroft (?P<release>\S+), sha256:(?P<digest>[0-9a-f]+)\.$",
    re.MULTILINE,
)


class ServiceMethod(Struct, frozen=True):
    """A public method of a service, and the module of the service."""

    module: LoadedModule
    service: type[Service]
    name: str

    @property
    def qualified_name(self) -> str:
        return f"{self.module.name}.{self.service.__name__}.{self.name}"

    @property
    def function(self) -> Any:
        return inspect.getattr_static(self.service, self.name)

    @property
    def tree(self) -> ast.FunctionDef | ast.AsyncFunctionDef:
        found = parse_method(self.function)
        assert found is not None
        return found

    @property
    def digest(self) -> str:
        """The hash of the code without comments and formatting."""
        return sha256(ast.unparse(self.tree).encode()).hexdigest()[:16]

    @property
    def header(self) -> str:
        """The comment above a copy, which `undercroft eject --check` reads."""
        return f"# Copy of {self.qualified_name} of undercroft {undercroft.__version__}, sha256:{self.digest}."


class MethodCopy(Struct, frozen=True):
    """The source of a copy without indentation, the imports that it needs, and the private names that it uses."""

    source: str
    imports: frozenset[tuple[str, str]]
    private: tuple[str, ...] = ()


def list_service_names() -> list[str]:
    """Return the names of the services that can be overridden, `teams.TeamService`, sorted."""
    services = list_services(get_registry().modules)
    return sorted(f"{module.name}.{service.__name__}" for service, module in services.items())


def names_a_service(name: str) -> bool:
    """Whether a name is written as that of a service or a method of one, not as that of a template."""
    return "/" not in name and any(re.fullmatch(r"[A-Z][a-z]\w+", part) for part in name.split("."))


def find_method(name: str) -> ServiceMethod:
    """Return the method with this name: `TeamService.create` or `teams.TeamService.create`.

    Raises `ConfigurationError`, with the possible names, if there is none.
    """
    for service, module in list_services(get_registry().modules).items():
        known, methods = f"{module.name}.{service.__name__}", public_methods(service)
        for prefix in (known, service.__name__):
            if name == prefix:
                listed = ", ".join(methods)
                raise ConfigurationError(f"Name one method: `undercroft eject {name}.{methods[0]}`. Methods: {listed}.")
            if name.startswith(f"{prefix}."):
                method = name.removeprefix(f"{prefix}.")
                if method in methods:
                    return ServiceMethod(module, service, method)
                close = get_close_matches(method, methods, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Methods: {', '.join(methods)}."
                raise ConfigurationError(f"{known} has no public method {method}. {hint}")
    wanted = next((part for part in name.split(".") if part[:1].isupper()), name)
    services = list_service_names()
    close = get_close_matches(wanted, [each.partition(".")[2] for each in services], 3, 0.5)
    hint = f"Did you mean {', '.join(close)}?" if close else f"Services: {', '.join(services)}."
    raise ConfigurationError(f"There is no service {wanted} that can be overridden. {hint}")


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


def copy_method(method: ServiceMethod) -> MethodCopy:
    """Return the copy of a method that does what the original does."""
    tree, names = method.tree, _Names(method)
    signature = names.write_signature(tree)
    documentation = ast.get_docstring(tree)
    statements = tree.body[1:] if documentation is not None else tree.body
    head = [signature, *textwrap.indent(_quote(documentation), "    ").splitlines()] if documentation else [signature]
    own = names.imports.copy()
    source = [ast.unparse(each) for each in statements if not _is_ellipsis(each)]
    names.visit_body(statements)
    if source and not hasattr(method.function, "__call_super__") and not names.private_globals:
        lines = textwrap.indent(_source_of(method, statements), "    ").splitlines()
        return MethodCopy("\n".join([*head, *lines]), frozenset(names.imports), tuple(sorted(names.private)))
    original = _source_of(method, statements).splitlines() if source else []
    commented = [f"    # {line}".rstrip() for each in original for line in _wrap(each)]
    note = ["    # The original:", *commented] if commented else []
    call = textwrap.indent(_write_super_call(tree), "    ")
    return MethodCopy("\n".join([*head, *note, call]), frozenset(own), tuple(sorted(names.private_annotations)))


def _is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _quote(text: str) -> str:
    lines = text.splitlines()
    return f'"""{text}"""' if len(lines) == 1 else f'"""{text}\n"""'


def _source_of(method: ServiceMethod, statements: list[ast.stmt]) -> str:
    """The source of these statements, with comments and without indentation."""
    lines = textwrap.dedent(inspect.getsource(method.function)).splitlines()
    first = min(each.lineno for each in statements)
    return textwrap.dedent("\n".join(lines[first - 1 : statements[-1].end_lineno]))


def _wrap(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, WIDTH - 10, subsequent_indent=indent, break_long_words=False) or [""]


def _write_super_call(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = [each.arg for each in (*tree.args.posonlyargs, *tree.args.args)][1:]
    arguments += [f"*{tree.args.vararg.arg}"] if tree.args.vararg else []
    arguments += [f"{each.arg}={each.arg}" for each in tree.args.kwonlyargs]
    arguments += [f"**{tree.args.kwarg.arg}"] if tree.args.kwarg else []
    returns = "" if tree.returns is not None and ast.unparse(tree.returns) == "None" else "return "
    wait = "await " if isinstance(tree, ast.AsyncFunctionDef) else ""
    return f"{returns}{wait}super().{tree.name}({', '.join(arguments)})"


def _list_arguments(arguments: ast.arguments) -> list[str]:
    """The arguments of a method as they are written, without positional-only ones, which no service has."""

    def write(argument: ast.arg, default: ast.expr | None) -> str:
        return f"{ast.unparse(argument)}{f' = {ast.unparse(default)}' if default else ''}"

    missing: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    found = [
        write(each, default) for each, default in zip(arguments.args, [*missing, *arguments.defaults], strict=True)
    ]
    if arguments.vararg or arguments.kwonlyargs:
        found.append(f"*{ast.unparse(arguments.vararg) if arguments.vararg else ''}")
    found += [write(each, default) for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return found + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


class _Names:
    """Finds where the names that a method uses can be imported from."""

    def __init__(self, method: ServiceMethod) -> None:
        self._method = method
        self._globals = method.function.__globals__
        self._origins = dict(_list_imports(method.function))
        self.imports = set[tuple[str, str]]()
        self.private_globals = set[str]()
        self.private_attributes = set[str]()
        self.private_annotations = set[str]()

    @property
    def private(self) -> set[str]:
        return self.private_attributes | self.private_annotations

    def write_signature(self, tree: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        """The line that defines the method. A type that is private becomes `Any`."""
        variable = [each for each in (tree.args.vararg, tree.args.kwarg) if each]
        for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs, *variable):
            argument.annotation = self._rewrite(argument.annotation)
        returns = self._rewrite(tree.returns)
        prefix = "async " if isinstance(tree, ast.AsyncFunctionDef) else ""
        arguments, end = _list_arguments(tree.args), f"){f' -> {ast.unparse(returns)}' if returns else ''}:"
        line = f"{prefix}def {tree.name}({', '.join(arguments)}{end}"
        if len(line) + 4 <= WIDTH:
            return line
        return "\n".join([f"{prefix}def {tree.name}(", *(f"    {each}," for each in arguments), end])

    def visit_body(self, statements: list[ast.stmt]) -> None:
        nodes = [node for statement in statements for node in ast.walk(statement)]
        bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        bound |= {each.name for node in nodes if isinstance(node, ast.ExceptHandler) and (each := node).name}
        arguments = {node.arg for node in ast.walk(self._method.tree) if isinstance(node, ast.arg)}
        for node in nodes:
            if isinstance(node, ast.Name) and node.id not in bound | arguments and not self._import(node.id):
                self.private_globals.add(node.id)
            elif isinstance(node, ast.ImportFrom | ast.Import):
                self.private_globals.add(ast.unparse(node))
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr not in PROTECTED:
                self.private_attributes.add(node.attr)

    def _rewrite(self, annotation: ast.expr | None) -> ast.expr | None:
        if annotation is None:
            return None
        names = self

        class Rewriter(ast.NodeTransformer):
            def visit_Name(self, node: ast.Name) -> ast.expr:
                return names._name_type(node)

        rewritten = Rewriter().visit(annotation)
        assert isinstance(rewritten, ast.expr)
        return rewritten

    def _name_type(self, node: ast.Name) -> ast.expr:
        service = self._method.service
        if node.id == "T" and issubclass(service, Resource):
            self._globals = {**self._globals, service.model.__name__: service.model}
            node = ast.Name(service.model.__name__, ast.Load())
        if self._import(node.id):
            return node
        self.private_annotations.add(node.id)
        self.imports.add(("typing", "Any"))
        return ast.Name("Any", ast.Load())

    def _import(self, name: str) -> bool:
        """Note the import of a name; False if it is private."""
        if name not in self._globals:
            return hasattr(builtins, name)
        module, original = self._origins.get(name, (self._method.function.__module__, name))
        if module.partition(".")[0] != "undercroft":
            self.imports.add((module, original if original == name else f"{original} as {name}"))
            return True
        home = find_public_home(name, self._globals[name], self._method.module.package.__name__)
        if home:
            self.imports.add((home, name))
        return bool(home)


def _list_imports(function: Callable[..., Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    tree = ast.parse(Path(inspect.getsourcefile(function) or "").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((each.asname or each.name, (node.module, each.name)) for each in node.names)


def find_public_home(name: str, value: Any, package: str) -> str:
    """Return the public package that exports a name with this value, if possible this package; empty if none does."""
    from undercroft.lint.extension_imports import public_modules, public_names

    homes = [module for module in public_modules() if name in public_names(module)]
    same = [module for module in homes if getattr(import_module(module), name, None) is value]
    return next((module for module in (package, *same) if module in same), "")


# Writing


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
        text = _add_import(text, module, name)
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
        return _insert_after(text, found.end_lineno or 0, f"\n{block}")
    name = f"{extension.title().replace('_', '')}{service}"
    text = _add_entry(text, table.value, f"{service}: {name}")
    return _insert_after(text, table.lineno - 1, f"class {name}({service}):\n{block}\n\n")


def _is_table(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(each, ast.Name) and each.id == "OVERRIDES" for each in targets) and isinstance(
        node.value, ast.Dict
    )


def _add_entry(text: str, table: ast.Dict, entry: str) -> str:
    """Add an entry at the end of OVERRIDES, one in each line if they do not fit into one."""
    lines = text.splitlines(keepends=True)
    first, last = table.lineno - 1, (table.end_lineno or 1) - 1
    start, end = (
        lines[first].encode()[: table.col_offset].decode(),
        lines[last].encode()[table.end_col_offset :].decode(),
    )
    entries = [
        f"{ast.unparse(key)}: {ast.unparse(value)}" for key, value in zip(table.keys, table.values, strict=True) if key
    ]
    line = f"{start}{{{', '.join([*entries, entry])}}}{end}"
    if first != last or len(line) > WIDTH + 1:
        line = start + "{\n" + "".join(f"    {each},\n" for each in [*entries, entry]) + "}" + end
    return "".join([*lines[:first], line, *lines[last + 1 :]])


def _insert_after(text: str, line: int, block: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:line], block, *lines[line:]])


def _add_import(text: str, module: str, name: str) -> str:
    """Import a name in the line that imports others of its module, or in a new line, in the order of isort."""
    body = ast.parse(text).body
    imports = [each for each in body if isinstance(each, ast.ImportFrom | ast.Import)]
    same = next((each for each in imports if isinstance(each, ast.ImportFrom) and each.module == module), None)
    if same is not None:
        names = [each.name + (f" as {each.asname}" if each.asname else "") for each in same.names]
        lines = text.splitlines(keepends=True)
        lines[same.lineno - 1 : same.end_lineno] = [_write_import(module, [*names, name])]
        return "".join(lines)
    line, key = _write_import(module, [name]), _import_order(module)
    following = next((each for each in imports if _import_order(_module_of(each)) > key), None)
    if following is not None:
        gap = "\n" if _import_order(_module_of(following))[0] != key[0] else ""
        before = [each for each in imports if each.lineno < following.lineno]
        at = before[-1] if gap and before else None
        if at is not None and _import_order(_module_of(at))[0] == key[0]:
            return _insert_after(text, at.end_lineno or 0, line)
        return _insert_after(text, following.lineno - 1, f"{line}{gap}")
    if imports:
        gap = "\n" if _import_order(_module_of(imports[-1]))[0] != key[0] else ""
        return _insert_after(text, imports[-1].end_lineno or 0, f"{gap}{line}")
    is_documented = bool(body) and isinstance(body[0], ast.Expr)
    return _insert_after(
        text, (body[0].end_lineno or 0) if is_documented else 0, f"\n{line}" if is_documented else line
    )


def _module_of(node: ast.Import | ast.ImportFrom) -> str:
    return (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name


def _import_order(module: str) -> tuple[bool, str]:
    """The standard library comes first."""
    return module.partition(".")[0] not in sys.stdlib_module_names, module


def _write_import(module: str, names: Iterable[str]) -> str:
    ordered = sorted(set(names), key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    line = f"from {module} import {', '.join(ordered)}\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"from {module} import (\n" + "".join(f"    {each},\n" for each in ordered) + ")\n"


# Checking


def list_copies() -> list[Override]:
    """Return the copied methods in the project's extensions, each compared with its original, sorted by path."""
    files = sorted(Path(EXTENSIONS).glob("*/**/*.py"))
    return [found for file in files for found in _copies_in(file)]


def _copies_in(file: Path) -> Iterator[Override]:
    for match in _HEADER.finditer(file.read_text(encoding="utf-8", errors="replace")):
        yield Override(file, *_compare(match))


def _compare(header: re.Match[str]) -> tuple[OverrideStatus, str]:
    name = header["name"]
    try:
        method = find_method(name)
    except ConfigurationError:
        return OverrideStatus.MISSING, f"this release has no {name}. Delete the copy, or override what replaces it."
    if header["digest"] == method.digest:
        return OverrideStatus.CURRENT, f"overrides {name} of undercroft {header['release']}."
    return OverrideStatus.CHANGED, (
        f"{name} has changed since {header['release']}. Compare the copy with {locate(method.function)}, then run "
        f"`undercroft eject {name} --merged`."
    )


def mark_method_merged(method: ServiceMethod) -> list[Path]:
    """Record in the copies of a method that they contain its changes, and return the files.

    Raises `ConfigurationError` if there is no copy.
    """
    changed = []
    for file in sorted(Path(EXTENSIONS).glob("*/**/*.py")):
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        updated = _HEADER.sub(
            lambda found: found["indent"] + method.header if found["name"] == method.qualified_name else found[0], text
        )
        if any(found["name"] == method.qualified_name for found in _HEADER.finditer(text)):
            file.write_text(updated, encoding="utf-8", errors="surrogateescape")
            changed.append(file)
    if not changed:
        raise ConfigurationError(f"There is no copy of {method.qualified_name}. Create it without --merged.")
    return changed
