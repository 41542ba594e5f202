"""What an extension may import: public names of Undercroft, itself and libraries, but no other extension.

The public names are those in `__all__` of `undercroft.core`, `undercroft.core.<package>`, `undercroft.jobs`,
`undercroft.providers.<kind>`, `undercroft.modules.<name>` and `undercroft.testing`.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from undercroft.lint.deprecated_names import deprecated_names
from undercroft.lint.sources import Index, RuleMatch, Source, exported_names

PACKAGE = Path(__file__).parents[1]
EXTENSIONS = "extensions"
NOT_APPLICATION = frozenset({"tests", "migrations"})
"""Folders of an extension that the application does not import."""
_MODULE = re.compile(r"undercroft\.modules\.\w+\b")
_PUBLIC = re.compile(r"undercroft\.(core(\.\w+)?|jobs|providers\.\w+|modules\.\w+|testing)")


def run_rules(source: Source, index: Index) -> Iterator[RuleMatch]:
    """Check the imports of extensions, and those of Undercroft: no extension, and of a module only public names."""
    path = source.path.resolve()
    if path.is_relative_to(PACKAGE):
        yield from _check_own_imports(source)
        return
    module = index.module_of(source)
    if module is None or not NOT_APPLICATION.isdisjoint(path.relative_to(module.path.resolve().parent).parts):
        return
    in_project = module.path.resolve().parents[1].name == EXTENSIONS
    package = f"{EXTENSIONS}.{module.package}" if in_project else module.package
    for node, message in find_forbidden_imports(ast.walk(source.tree), package):
        yield node, "extension-import", message


def _check_own_imports(source: Source) -> Iterator[RuleMatch]:
    for node in ast.walk(source.tree):
        for module, name in _imported(node):
            assert isinstance(node, ast.stmt)
            if module.partition(".")[0] == EXTENSIONS:
                yield node, "extension-import", "Undercroft must not import an extension; publish an event instead"
            found = _MODULE.match(module)
            if found and not f"{source.module}.".startswith(f"{found[0]}.") and (message := _private_use(module, name)):
                yield node, "module-import", message


def find_forbidden_imports(
    nodes: Iterable[ast.AST], package: str, others: Collection[str] = (), undeclared: Collection[str] = ()
) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each statement that the extension in `package` must not contain, with the message.

    `nodes` are all nodes of a file. `others` are the packages of other extensions; those in the folder `extensions` are
    recognized by their name. `undeclared` are the optional modules that the extension does not require.
    """
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for module, name in _imported(node):
            if message := _violation(module, name, package, others) or _undeclared_use(module, name, undeclared):
                yield node, message


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import; the name of `import module` is empty."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from ((node.module, alias.name) for alias in node.names)


def _violation(module: str, name: str, package: str, others: Collection[str]) -> str:
    full = f"{module}.{name}."
    if module.partition(".")[0] == "undercroft":
        return _private_use(module, name)
    if f"{module}.".startswith(f"{package}.") or full.startswith(f"{package}."):
        return ""
    if module.partition(".")[0] == EXTENSIONS or any(full.startswith(f"{other}.") for other in others):
        return f"{full.rstrip('.')} belongs to another extension. Extensions communicate only through events."
    return ""


def _undeclared_use(module: str, name: str, undeclared: Collection[str]) -> str:
    found = _MODULE.match(f"{module}.{name}")
    optional = found[0].rpartition(".")[2] if found else ""
    if optional not in undeclared:
        return ""
    return f'The module {optional} is optional. Require it in `__init__.py`: MODULE = Module(requires=("{optional}",)).'


def _private_use(module: str, name: str) -> str:
    """Return the message for a name that is not public, empty for a public one."""
    if not name:
        module, _, name = module.rpartition(".")
    if _PUBLIC.fullmatch(f"{module}.{name}") and public_names(f"{module}.{name}"):
        return ""
    names = public_names(module) if _PUBLIC.fullmatch(module) else frozenset()
    if name in names:
        return ""
    close = get_close_matches(name, names, 1)
    hint = f"Did you mean {close[0]}?" if close else _hint(name)
    return f"{module}.{name} is not public: `__all__` of {module} does not contain it. {hint}"


def _hint(name: str) -> str:
    homes = [module for module in public_modules() if name in public_names(module)]
    return f"Import it from {homes[0]}." if homes else "Use a public name, or ask for one in an issue."


@cache
def public_names(module: str) -> frozenset[str]:
    """Return the names in `__all__` of a module of Undercroft; none if it has no `__all__`."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return frozenset()
    exported = exported_names(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset([*exported, *deprecated_names().get(module, ())])


@cache
def public_modules() -> tuple[str, ...]:
    """Return the modules of Undercroft that have public names, sorted."""
    files = (
        ".".join(["undercroft", *path.relative_to(PACKAGE).with_suffix("").parts]) for path in PACKAGE.rglob("*.py")
    )
    names = sorted({name.removesuffix(".__init__") for name in files})
    return tuple(name for name in names if _PUBLIC.fullmatch(name) and public_names(name))
