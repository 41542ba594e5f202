"""Parsed Python files: name resolution, the tenant models among their classes, and their SQL strings."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TENANT_OWNED = "undercroft.core.db.models.TenantOwned"
TENANT_REPOSITORY = "undercroft.core.db.repository.TenantRepository"
RESOURCE = "undercroft.core.crud.resource.Resource"

RuleMatch = tuple[ast.expr | ast.stmt, str, str]
"""A violation: the node, the rule and the message."""


@dataclass(frozen=True)
class TenantModel:
    """A tenant model: its table and the package whose repository may query it."""

    name: str
    table: str
    package: str


class Source:
    """One parsed file. `module` is its dotted name, starting at the outermost package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, filename=str(path))
        self.module = _module_name(path)

    @property
    def package(self) -> str:
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """All classes in the file, by their dotted name."""
        classes = (node for node in list_nodes(self.tree) if isinstance(node, ast.ClassDef))
        return {f"{self.module}.{node.name}": node for node in classes}

    @cached_property
    def import_origins(self) -> dict[str, str]:
        """The local names of all imports in the file, with their dotted origin."""
        return dict(_iter_imports(self.tree, self.package))

    @cached_property
    def star_imports(self) -> list[str]:
        """The modules that are imported with `*`."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))
        return [_import_source(node, self.package) for node in nodes if any(alias.name == "*" for alias in node.names)]

    def qualified_name(self, node: ast.AST) -> str | None:
        """Return the dotted name that a name or a chain of attributes refers to, according to the imports."""
        if isinstance(node, ast.Subscript):
            return self.qualified_name(node.value)
        if isinstance(node, ast.Attribute):
            whole = self.qualified_name(node.value)
            return f"{whole}.{node.attr}" if whole else None
        if isinstance(node, ast.Name):
            return self.import_origins.get(node.id, f"{self.module}.{node.id}")
        return None

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node


class Index:
    """All parsed files. Resolves names through imports and re-exports to classes."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = {source.module: source for source in sources}
        self._classes = {
            dotted: (source, node) for source in self._sources.values() for dotted, node in source.classes.items()
        }
        self.models = dict(self._find_tenant_models())
        self._modules = {each.path.resolve().parent: each for each in self._sources.values() if _declares_module(each)}

    def resolve(self, dotted: str | None) -> str | None:
        """Return the dotted name of the class itself, or None if it was not parsed."""
        seen: set[str] = set()
        while dotted and dotted not in self._classes and dotted not in seen:
            seen.add(dotted)
            dotted = self._resolve_step(dotted)
        return dotted if dotted in self._classes else None

    def model(self, dotted: str | None) -> TenantModel | None:
        return self.models.get(self.resolve(dotted) or "")

    def module_of(self, source: Source) -> Source | None:
        """Return the `__init__.py` of the module that a file belongs to, None outside of modules."""
        return next((self._modules[each] for each in source.path.resolve().parents if each in self._modules), None)

    def lineage(self, source: Source, node: ast.ClassDef) -> Iterator[tuple[Source, ast.ClassDef]]:
        """Yield a class and the parsed classes that it derives from, directly or indirectly."""
        pending, seen = [(source, node)], set[ast.ClassDef]()
        while pending:
            source, node = pending.pop()
            if node not in seen:
                seen.add(node)
                yield source, node
                bases = (self.resolve(source.qualified_name(each)) for each in [*node.bases, *_entities(node)])
                pending += [self._classes[found] for found in bases if found]

    def is_subclass(self, source: Source, node: ast.ClassDef, base: str) -> bool:
        """Return whether a class derives from `base`, directly or indirectly."""
        names = (origin.qualified_name(each) for origin, cls in self.lineage(source, node) for each in cls.bases)
        return any(base in (name, self.resolve(name)) for name in names)

    def has_field(self, source: Source, node: ast.ClassDef, name: str) -> bool:
        """Return whether a class or one that it derives from annotates this attribute."""
        body = (each for _, cls in self.lineage(source, node) for each in cls.body)
        return any(isinstance(each, ast.AnnAssign) and getattr(each.target, "id", "") == name for each in body)

    def _resolve_step(self, dotted: str) -> str | None:
        module, _, name = dotted.rpartition(".")
        source = self._sources.get(module)
        if source is None:
            return None
        if name in source.import_origins:
            return source.import_origins[name]
        return next((f"{each}.{name}" for each in source.star_imports if self.resolve(f"{each}.{name}")), None)

    def _find_tenant_models(self) -> Iterator[tuple[str, TenantModel]]:
        for dotted, (source, node) in self._classes.items():
            if is_table(node) and self.is_subclass(source, node, TENANT_OWNED):
                yield dotted, TenantModel(node.name, _table_name(node), source.module.rpartition(".")[0])


def list_nodes(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes of a file, in no particular order. Half as long as `ast.walk`, which each start would notice."""
    nodes = [tree]
    for node in nodes:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                nodes.append(value)
            elif isinstance(value, list):
                nodes += [each for each in value if isinstance(each, ast.AST)]
    return nodes


def read_sources(paths: Iterable[Path]) -> Iterator[Source]:
    """Parse and yield all Python files under these paths."""
    for path in paths:
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (Source(file) for file in files if not _is_hidden(file, path))


def _is_hidden(file: Path, root: Path) -> bool:
    inside = file.relative_to(root).parts if root.is_dir() else ()
    return any(part.startswith(".") or part in ("node_modules", "__pycache__") for part in inside)


def _module_name(path: Path) -> str:
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.resolve().parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names)


def _iter_imports(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            origin = _import_source(node, package)
            yield from ((alias.asname or alias.name, f"{origin}.{alias.name}") for alias in node.names)


def _import_source(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return (node.module or "").removeprefix("extensions.")
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _declares_module(source: Source) -> bool:
    declared = (node for node in source.tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call))
    return source.path.name == "__init__.py" and any(
        getattr(target, "id", "") == "MODULE" for node in declared for target in node.targets
    )


def exported_names(tree: ast.Module) -> list[str]:
    """Return the names in `__all__` of a file; none if it has no `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(each, "id", "") for each in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def is_table(node: ast.ClassDef) -> bool:
    """Return whether a class is declared with `table=True`, or with extra fields of an `entity`."""
    if any(_entities(node)):
        return True
    values = (word.value for word in node.keywords if word.arg == "table")
    return any(isinstance(value, ast.Constant) and value.value is True for value in values)


def _entities(node: ast.ClassDef) -> list[ast.expr]:
    """Return the entity of extra fields, whose rows belong to the same team: `class F(ExtraFields, entity=Project)`."""
    return [word.value for word in node.keywords if word.arg == "entity"]


def _table_name(node: ast.ClassDef) -> str:
    for each in node.body:
        targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
        value = getattr(each, "value", None)
        named = any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in targets)
        if named and isinstance(value, ast.Constant):
            return str(value.value)
    return node.name.lower()


_SQL_FUNCTIONS = frozenset(
    {"text", "execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "exec_driver_sql", "DDL", "scalar"}
)
_SQL_KEYWORD = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|LOCK|TABLE|WITH|SET)\b")


def find_sql_strings(source: Source) -> Iterator[tuple[ast.expr, str]]:
    """Yield all strings that may be SQL, except docstrings. Placeholders of f-strings are replaced by `x`."""
    for node in ast.walk(source.tree):
        text = _string_value(node)
        parent = source.parents.get(node)
        if text is None or isinstance(parent, ast.Expr | ast.JoinedStr):
            continue
        assert isinstance(node, ast.expr)
        if _SQL_KEYWORD.search(text):
            yield node, text
        elif (
            isinstance(parent, ast.Call)
            and _called_name(parent) in _SQL_FUNCTIONS
            and _SQL_KEYWORD.search(text.upper())
        ):
            yield node, text.upper()


def _string_value(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_string_value(part) or "x" for part in node.values)
    return None


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
