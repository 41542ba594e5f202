"""Rules for tenant isolation: only repositories query tenant tables, and every query filters by team."""

import ast
import re
from collections.abc import Iterator
from functools import cached_property

from undercroft.lint.sources import RESOURCE, TENANT_REPOSITORY, Index, RuleMatch, Source, TenantModel, find_sql_strings

QUERY_FUNCTIONS = frozenset({"select", "update", "delete", "insert", "exists", "join", "outerjoin", "aliased", "Query"})
ALIAS_FUNCTIONS = frozenset({"aliased", "with_polymorphic"})
MODEL_METHODS = frozenset(
    {
        *("get", "get_one", "query", "select_from", "join", "outerjoin", "join_from", "outerjoin_from", "merge"),
        *("execute", "scalar", "scalars", "stream", "stream_scalars", "rowcount", "add", "add_all", "add_columns"),
        *("with_only_columns", "bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings"),
    }
)
ORM_PACKAGES = ("sqlalchemy", "sqlmodel")


def run_rules(source: Source, index: Index) -> Iterator[RuleMatch]:
    if "migrations" in source.path.parts:
        return
    checker = TenantChecker(source, index)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield from checker.check_query(node)
        elif isinstance(node, ast.Attribute) and node.attr == "__table__":
            yield from checker.check_table(node)
        elif isinstance(node, ast.ClassDef):
            yield from checker.check_repository(node)
    yield from checker.check_sql()


class TenantChecker:
    """Checks one file with knowledge of all tenant models."""

    def __init__(self, source: Source, index: Index) -> None:
        self._source = source
        self._index = index

    def check_query(self, call: ast.Call) -> Iterator[RuleMatch]:
        model = self._queried_model(call)
        if model is None:
            return
        if not self._in_own_repository(model):
            yield call, "tenant-query", _outside_repository_message(model)
        elif not self._is_team_scoped(self._enclosing_statement(call)):
            yield (
                call,
                "tenant-scope",
                f"this query reads {model.name} rows of all teams; start with self._query(), or filter by team_id",
            )

    def check_table(self, node: ast.Attribute) -> Iterator[RuleMatch]:
        model = self._model(node.value)
        if model is not None and not self._in_own_repository(model):
            yield node, "tenant-query", _outside_repository_message(model)

    def check_repository(self, node: ast.ClassDef) -> Iterator[RuleMatch]:
        scoped = self._is_tenant_repository(node)
        for each in node.body:
            model = self._declared_model(each)
            if model is not None and not scoped:
                message = f"{node.name} queries the tenant model {model.name}; derive it from TenantRepository"
                yield each, "tenant-scope", message
            if scoped and isinstance(each, ast.FunctionDef) and each.name == "_query" and not _calls_super(each):
                yield each, "tenant-scope", "this drops the team filter; start with super()._query(…)"

    def check_sql(self) -> Iterator[RuleMatch]:
        for node, text in find_sql_strings(self._source):
            model = next((model for table, model in self._tables.items() if _mentions_table(text, table)), None)
            if model is None:
                continue
            if not self._in_own_repository(model):
                message = f"this SQL uses the tenant table {model.table}; "
                yield node, "tenant-sql", f"{message}call a method of {model.package}.repository, or add one"
            elif "TEAM_ID" not in text.upper():
                yield node, "tenant-sql", f"this SQL reads {model.table} rows of all teams; filter by team_id"

    @cached_property
    def _tables(self) -> dict[str, TenantModel]:
        return {model.table: model for model in self._index.models.values()}

    @cached_property
    def _aliases(self) -> dict[str, TenantModel]:
        """The file's own names for tenant models: `P = Project`, `P = aliased(Project)`, `row = Project(…)`."""
        found: dict[str, TenantModel] = {}
        for node in ast.walk(self._source.tree):
            if isinstance(node, ast.Assign) and (model := self._aliased_model(node.value)):
                found |= {target.id: model for target in node.targets if isinstance(target, ast.Name)}
        return found

    def _aliased_model(self, value: ast.expr) -> TenantModel | None:
        if not isinstance(value, ast.Call):
            return self._class(value)
        if _last_name(value.func) in ALIAS_FUNCTIONS and value.args:
            return self._class(value.args[0])
        return self._class(value.func)

    def _class(self, node: ast.AST) -> TenantModel | None:
        if isinstance(node, ast.Name | ast.Attribute):
            return self._index.model(self._source.qualified_name(node))
        return None

    def _model(self, node: ast.AST) -> TenantModel | None:
        """Return the tenant model that a name, an attribute or a constructor call refers to."""
        if isinstance(node, ast.Call):
            return self._class(node.func)
        if isinstance(node, ast.Name) and node.id in self._aliases:
            return self._aliases[node.id]
        return self._class(node) or self._repository_model(node)

    def _repository_model(self, node: ast.AST) -> TenantModel | None:
        """Return the tenant model of `self.model` in a tenant repository."""
        if not (isinstance(node, ast.Attribute) and node.attr == "model" and _last_name(node.value) in ("self", "cls")):
            return None
        for each in self._source.ancestors(node):
            if isinstance(each, ast.ClassDef) and self._is_tenant_repository(each):
                return next(filter(None, map(self._declared_model, each.body)), None) or TenantModel(
                    "its model", "", self._source.package
                )
        return None

    def _declared_model(self, line: ast.stmt) -> TenantModel | None:
        """Return the tenant model in `model = Project`."""
        if not isinstance(line, ast.Assign | ast.AnnAssign) or line.value is None or "model" not in _targets(line):
            return None
        return self._model(line.value)

    def _queried_model(self, call: ast.Call) -> TenantModel | None:
        values = [*call.args, *(word.value for word in call.keywords)]
        name = self._source.qualified_name(call.func) or ""
        if name.partition(".")[0] in ORM_PACKAGES and name.rpartition(".")[2] in QUERY_FUNCTIONS:
            return next(filter(None, (self._model(node) for value in values for node in ast.walk(value))), None)
        if isinstance(call.func, ast.Attribute) and call.func.attr in MODEL_METHODS:
            return next(filter(None, (self._model(node) for value in values for node in _iter_elements(value))), None)
        return None

    def _in_own_repository(self, model: TenantModel) -> bool:
        home = f"{model.package}.repository" if model.package else "repository"
        return self._source.module == home or self._source.module.startswith(f"{home}.")

    def _is_tenant_repository(self, node: ast.ClassDef) -> bool:
        return any(self._index.is_subclass(self._source, node, base) for base in (TENANT_REPOSITORY, RESOURCE))

    def _enclosing_statement(self, node: ast.AST) -> ast.AST:
        for each in self._source.ancestors(node):
            if isinstance(each, ast.stmt):
                return each
        return node

    def _is_team_scoped(self, statement: ast.AST) -> bool:
        """Return whether a statement filters by team: itself, in what it is built from, or in what is built from it."""
        return self._depends_on_team(statement, frozenset()) or self._is_scoped_later(statement, frozenset())

    def _depends_on_team(self, node: ast.AST, seen: frozenset[str]) -> bool:
        if any(_mentions_team(each) for each in ast.walk(node)):
            return True
        names = _loaded_names(node) - seen
        made = (each for each in self._assignments(node) if names & _targets(each) and each is not node)
        return any(self._depends_on_team(each, seen | names) for each in made)

    def _is_scoped_later(self, statement: ast.AST, seen: frozenset[str]) -> bool:
        given = frozenset(_targets(statement) - seen)
        for each in self._siblings(statement) if given else ():
            if each is statement:
                continue
            if any(self._depends_on_team(chain, given) for chain in self._call_chains(each, given)):
                return True
            if given & _loaded_names(each) and self._is_scoped_later(each, seen | given):
                return True
        return False

    def _call_chains(self, statement: ast.AST, names: frozenset[str]) -> Iterator[ast.AST]:
        """Yield the call chains on one of these names in a statement, such as `query.where(…)`."""
        for node in ast.walk(statement):
            if not (isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load)):
                continue
            whole: ast.AST = node
            for each in self._source.ancestors(node):
                if not isinstance(each, ast.Attribute | ast.Call | ast.Starred | ast.keyword):
                    break
                whole = each
            yield whole

    def _siblings(self, statement: ast.AST) -> Iterator[ast.stmt]:
        """Yield the simple statements of the same function, or of the module if it is outside a function."""
        functions = (each for each in self._source.ancestors(statement) if isinstance(each, _FUNCTIONS))
        inside = next(functions, None)
        for node in ast.walk(inside or self._source.tree):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return | ast.Expr):
                yield node

    def _assignments(self, statement: ast.AST) -> Iterator[ast.stmt]:
        yield from self._siblings(statement)
        yield from (node for node in self._source.tree.body if isinstance(node, ast.Assign | ast.AnnAssign))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _outside_repository_message(model: TenantModel) -> str:
    where = f"{model.package}.repository" if model.package else "its repository"
    return f"this queries the tenant model {model.name} outside {where}; call a method of its TenantRepository"


def _mentions_table(text: str, table: str) -> bool:
    before = r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|TRUNCATE|COPY|LOCK|USING|ONLY)\s+(?:ONLY\s+)?(?:\"?\w+\"?\.)?\"?"
    listed = r"\b(?:FROM|USING)\s[^()]*,\s*\"?"
    return bool(re.search(rf"(?:{before}|{listed}){re.escape(table)}\b", text, re.IGNORECASE))


def _mentions_team(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("team_id", "_query")
    if isinstance(node, ast.Constant):
        return node.value == "team_id"
    return isinstance(node, ast.keyword) and node.arg == "team_id"


def _targets(node: ast.AST) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {each.id for target in targets if target for each in ast.walk(target) if isinstance(each, ast.Name)}


def _loaded_names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _iter_elements(value: ast.expr) -> Iterator[ast.expr]:
    """Yield an argument, and the elements of a list, a generator or an attribute in it."""
    if isinstance(value, ast.Starred):
        value = value.value
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        for each in value.elts:
            yield from _iter_elements(each)
    elif isinstance(value, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        yield from _iter_elements(value.elt)
    else:
        yield value
        if isinstance(value, ast.Attribute):
            yield value.value


def _calls_super(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "_query"
        and isinstance(node.value, ast.Call)
        and _last_name(node.value.func) == "super"
        and not node.value.args
        for node in ast.walk(function)
    )


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
