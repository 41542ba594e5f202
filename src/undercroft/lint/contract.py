"""Rules about the files of a module, so that all modules look alike.

A module is a package that assigns `MODULE = Module(…)` in its `__init__.py`.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

from undercroft.lint.sources import TENANT_OWNED, Index, RuleMatch, Source, exported_names, is_table

APP_ERROR = "undercroft.core.errors.AppError"
MODULE_FILES = {
    "__init__": "`MODULE`, and the names that other modules may import",
    "models": "tables, and the base classes that schemas inherit",
    "fields": "fields of an entity that belongs to another module, or that others may extend",
    "schemas": "request and response bodies",
    "resources": "entities with the usual routes, permissions, audit entries, events and admin views",
    "repository": "every query, as named methods",
    "service": "use cases and business rules",
    "errors": "errors with their codes, handlers of other exceptions",
    "events": "events for other modules",
    "permissions": "permissions beside those of resources",
    "settings": "settings",
    "flags": "feature flags",
    "live": "values of the database that every process keeps in memory",
    "limits": "named rate limits",
    "statistics": "numbers for administrators",
    "seeds": "demo data",
    "lifespan": "`start(app)` and `stop(app)`",
    "middleware": "pure ASGI middleware around all routes",
    "dependencies": "FastAPI dependencies",
    "routes": "HTTP routes, one router per surface",
    "pages": "HTML pages",
    "tasks": "background jobs and schedules",
    "backfills": "changes of existing rows, in batches",
    "subscribers": "reactions to events",
    "hooks": "decisions about operations of other modules, and points at which others decide",
    "overrides": "subclasses that replace services of other modules",
    "providers": "adapters to external services",
    "admin": "views under `/admin`",
    "commands": "a group of `undercroft` commands",
    "testing": "factories for tests",
    "templates": "HTML pages and emails, in `pages/<module>/` and `emails/<module>/`",
    "assets": "stylesheets, scripts and images, in `<module>/`",
    "console": "pages of the console",
    "build": "built files",
    "migrations": "the module's history of migrations",
    "tests": "tests",
    "README": "documentation",
}
"""Names of the files and folders at the top level of a module, and their content."""
MAX_LINES = 2000
MAX_EXPORTS = 25
_WITHOUT_CODE = frozenset({"__pycache__", "py.typed"})
_WITH_QUERIES = frozenset({"repository", "migrations", "testing", "tests"})
_WITH_OWN_ERRORS = frozenset({"errors", "migrations", "testing", "tests"})
_WITH_SQL_TEXT = frozenset({"models"})
"""Files with the SQL of indexes and constraints."""
_SQL_FUNCTIONS = frozenset({"select", "insert", "update", "delete", "text", "union", "union_all"})
_SQL_PACKAGES = ("sqlalchemy", "sqlmodel")
_EXECUTE_METHODS = frozenset(
    {"execute", "executemany", "fetch", "fetchrow", "fetchval", "scalar", "scalars", "rowcount", "stream", "write_one"}
)
_CONNECTIONS = frozenset({"session", "connection", "database", "read", "write", "read_session", "write_session"})


def run_rules(source: Source, index: Index) -> Iterator[RuleMatch]:
    module = index.module_of(source)
    if module is None:
        return
    if source is module:
        yield from _check_entries(module)
        yield from _check_size(module)
    name = Path(source.path.resolve().relative_to(module.path.resolve().parent).parts[0]).stem
    if name not in _WITH_OWN_ERRORS:
        yield from _check_errors(source, index)
    if name not in _WITH_QUERIES:
        yield from _check_queries(source, name)
    if name == "models":
        yield from _check_factories(source, index, module.path.parent)


def _check_entries(module: Source) -> Iterator[RuleMatch]:
    for entry in sorted(module.path.parent.iterdir()):
        if entry.stem not in MODULE_FILES and entry.name not in _WITHOUT_CODE and not entry.name.startswith("."):
            hint = f"move it into service/, or use one of {', '.join(MODULE_FILES)}"
            yield _first_line(), "module-file", f"{entry.name} is not a file of a module; {hint}"


def _check_size(module: Source) -> Iterator[RuleMatch]:
    docstring, folder = ast.get_docstring(module.tree) or "", module.path.parent
    files = [path for path in folder.rglob("*.py") if not {"migrations", "tests"} & set(path.relative_to(folder).parts)]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    if lines > MAX_LINES and "2,000 lines" not in docstring:
        reason = "It has more than 2,000 lines because …"
        message = f"this module has {lines} lines; split it, or state in its docstring: {reason}"
        yield _first_line(), "module-size", message
    exports = len(exported_names(module.tree))
    if exports > MAX_EXPORTS and "25 names" not in docstring:
        reason = "It exports more than 25 names because …"
        yield _first_line(), "module-size", f"this module exports {exports} names; state in its docstring: {reason}"


def _check_errors(source: Source, index: Index) -> Iterator[RuleMatch]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and _is_error(source, index, node):
            yield node, "error-place", f"{node.name} is an error class; move it to errors.py of the module"


def _check_queries(source: Source, name: str) -> Iterator[RuleMatch]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        dotted = (source.qualified_name(node.func) or "").split(".")
        if dotted[0] in _SQL_PACKAGES and dotted[-1] in _SQL_FUNCTIONS and name not in _WITH_SQL_TEXT:
            yield node, "query-place", f"{dotted[-1]}(…) is SQL; make it a named method in repository.py of the module"
        elif isinstance(node.func, ast.Attribute) and _executes(node.func):
            call = f"{ast.unparse(node.func)}(…)"
            yield node, "query-place", f"{call} executes a query; make it a named method in repository.py of the module"


def _check_factories(source: Source, index: Index, folder: Path) -> Iterator[RuleMatch]:
    """Yield tables of teams in which the attack on tenant isolation, which knows `TenantOwned` models, has no row."""
    files = [path for path in (folder / "testing.py", *(folder / "testing").glob("*.py")) if path.is_file()]
    trees = [ast.parse(path.read_text(encoding="utf-8"), filename=str(path)) for path in files]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ClassDef) or not is_table(node) or node.name in used:
            continue
        if index.has_field(source, node, "team_id") and not index.is_subclass(source, node, TENANT_OWNED):
            example = f'IDS = {{"{node.name.lower()}_id": new_row({node.name})}}'
            fix = f"derive it from TenantOwned, or add a factory to testing.py of the module: {example}"
            yield node, "tenant-factory", f"the attack on tenant isolation has no row of {node.name}; {fix}"


def _executes(function: ast.Attribute) -> bool:
    receiver = function.value
    name = (receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")).lstrip("_")
    return (function.attr in _EXECUTE_METHODS and name in _CONNECTIONS) or (
        function.attr == "get" and name == "session"
    )


def _is_error(source: Source, index: Index, node: ast.ClassDef) -> bool:
    if index.is_subclass(source, node, APP_ERROR):
        return True
    bases = (getattr(builtins, each.id, None) for each in node.bases if isinstance(each, ast.Name))
    return any(isinstance(base, type) and issubclass(base, BaseException) for base in bases)


def _first_line() -> ast.stmt:
    return ast.Pass(lineno=1, end_lineno=1, col_offset=0)
