"""Writes the source of a copy, and finds the imports that it needs."""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from undercroft.app.service_copies.methods import ServiceMethod
from undercroft.core.crud import Resource

PROTECTED = frozenset({"_session", "_principal"})
"""Private attributes that subclasses may use."""
WIDTH = 120


class MethodCopy(Struct, frozen=True):
    """The source of a copy without indentation, the imports that it needs, and the private names that it uses."""

    source: str
    imports: frozenset[tuple[str, str]]
    private: tuple[str, ...] = ()


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
