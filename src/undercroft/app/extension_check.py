"""Grades an extension: the rules that are checked when it is loaded, and those that only `extension check` applies."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct

from undercroft import lint
from undercroft.app.deprecated_uses import find_deprecated_imports
from undercroft.app.discovery import LoadedModule, find_extension, find_modules, table_names
from undercroft.app.extension_rules import RULES, RuleContext
from undercroft.app.migrations import upgrade_all
from undercroft.app.registry import check_together
from undercroft.core.context import AppContext, use_context
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History
from undercroft.core.db.row_security import RowSecurityConfig
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import available_extensions
from undercroft.core.settings import CoreSettings, load, read_environ
from undercroft.core.telemetry.origin import find_origin, relative_path, summarize_error

MIN_README_WORDS = 10
_NO_ROW_SECURITY = RowSecurityConfig(enabled=False, tables=())
_CHANGED_TABLE = re.compile(
    r"(?:ALTER TABLE (?:ONLY )?|(?:INDEX|TRIGGER|POLICY|RULE) [^;]*? ON (?:ONLY )?)public\.(\w+)"
)


class GradeStatus(StrEnum):
    OK = "ok"
    FAIL = "fail"
    WARN = "warn"
    SKIPPED = "skipped"


class Grade(Struct, frozen=True):
    """The result of one rule. `location` is `FILE:LINE` of the violation, `message` the violation and its fix."""

    rule: str
    status: GradeStatus = GradeStatus.OK
    location: str = ""
    message: str = ""


class _Violation(Exception):
    def __init__(self, message: str, file: Path, line: int = 1) -> None:
        super().__init__(message)
        self.location = f"{relative_path(str(file))}:{line}"


def grade_source(name: str) -> Iterator[Grade]:
    """Grade everything that needs no database. The extension need not be enabled.

    Raises `ConfigurationError` if there is no such extension.
    """
    with _own_context():
        loaded: list[LoadedModule] = []
        yield (imported := _grade("import", lambda: loaded.append(find_extension(name))))
        for rule, check in _source_checks(name).items():
            yield _grade(rule, partial(check, loaded[0])) if loaded else _skip(rule, imported)
        yield _grade_deprecations(loaded[0]) if loaded else _skip("deprecations", imported)


async def grade_migrations(name: str, url: str, dump: Callable[[str], str]) -> list[Grade]:
    """Grade the migrations on an empty database: they match the models, and reverting them restores the schema.

    `dump` returns the schema of a database.
    """
    with _own_context():
        extension = find_extension(name)
        history = History(name, extension.folder / "migrations", table_names(extension))
        if not history.tables and not history.folder.is_dir():
            return []
        await upgrade_all(url, rls=_NO_ROW_SECURITY)
        before, trial = dump(url), _MigrationTrial(history)
        try:
            await migrations.upgrade(url, [history])
            differences = await migrations.differences(url, history)
            upgraded = dump(url)
            await migrations.revert_all(url, history)
            await migrations.forget(url, history)
        except Exception as error:
            return [_fail("migrations", error)]
        return [
            _grade("migrations match models", lambda: trial.check_models(differences)),
            _grade("migrations change own tables", lambda: trial.check_tables(before, upgraded)),
            _grade("migrations are safe", trial.check_risks),
            _grade("migrations can be reverted", lambda: trial.check_reverted(before, dump(url))),
        ]


@contextmanager
def _own_context() -> Iterator[None]:
    """Use the settings of development and no enabled extension: all rules are checked."""
    context = AppContext({**read_environ(), "environment": "development", "enabled_extensions": ""})
    with use_context(context):
        yield


def _source_checks(name: str) -> Mapping[str, Callable[[LoadedModule], None]]:
    disabled = frozenset(load(CoreSettings).disabled_modules)
    others = {other: packages[0] for other, packages in available_extensions().items() if other != name}
    context = RuleContext(others, disabled)
    return {
        **{rule: partial(_apply, check, context) for rule, check in RULES.items()},
        "names and routes": lambda extension: _check_alone(extension, disabled),
        "lint": _check_lint,
        "tests": _check_tests,
        "readme": _check_readme,
    }


def _check_alone(extension: LoadedModule, disabled: frozenset[str]) -> None:
    check_together(find_modules(disabled), [extension])


def _apply(check: Callable[[LoadedModule, RuleContext], None], context: RuleContext, extension: LoadedModule) -> None:
    check(extension, context)


def _grade(rule: str, check: Callable[[], None]) -> Grade:
    try:
        check()
    except ConfigurationError:
        raise
    except Exception as error:
        return _fail(rule, error)
    return Grade(rule)


def _fail(rule: str, error: Exception) -> Grade:
    if isinstance(error, _Violation):
        return Grade(rule, GradeStatus.FAIL, error.location, str(error))
    origin = find_origin(error)
    message = f"{summarize_error(error)} {origin.hint if origin else ''}".strip()
    return Grade(rule, GradeStatus.FAIL, origin.location if origin else "", message)


def _grade_deprecations(extension: LoadedModule) -> Grade:
    """A deprecated name works until it is removed, so it is a warning."""
    found = list(find_deprecated_imports([extension.folder]))
    if not found:
        return Grade("deprecations")
    more = f" ({len(found)} uses: `undercroft doctor`)" if len(found) > 1 else ""
    return Grade("deprecations", GradeStatus.WARN, found[0].location, f"{found[0].deprecation.message}{more}")


def _skip(rule: str, cause: Grade) -> Grade:
    return Grade(rule, GradeStatus.SKIPPED, message=f"Fix `{cause.rule}` first.")


def _check_lint(extension: LoadedModule) -> None:
    found = lint.check([extension.folder])
    if found:
        more = f" ({len(found)} violations: `undercroft check {relative_path(str(extension.folder))}`)"
        raise _Violation(f"{found[0].message}{more if len(found) > 1 else ''}", found[0].path, found[0].line)


def _check_tests(extension: LoadedModule) -> None:
    folder = extension.folder / "tests"
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in folder.rglob("test_*.py"))
    functions = (
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    if not any(function.name.startswith("test_") for function in functions):
        raise _Violation(
            f"There are no tests. Write tests/test_{extension.name}.py with the fixtures of `undercroft.testing`.",
            folder,
        )


def _check_readme(extension: LoadedModule) -> None:
    file = extension.folder / "README.md"
    if not file.exists() or len(file.read_text(encoding="utf-8").split()) < MIN_README_WORDS:
        raise _Violation("State in README.md what the extension does and how it is configured.", file)


class _MigrationTrial(Struct, frozen=True):
    """Checks of the migrations of an extension that were run and reverted."""

    history: History

    @property
    def file(self) -> Path:
        """The newest migration."""
        return max(self.history.versions.glob("*.py"), default=self.history.versions)

    def check_models(self, differences: list[str]) -> None:
        if differences:
            command = f'undercroft migrate new "…" --module {self.history.name}'
            raise _Violation(f"The models differ: {differences[0]}. Create a migration: `{command}`.", self.file)

    def check_tables(self, before: str, upgraded: str) -> None:
        """Refuse changes of other tables, also by SQL in texts."""
        old, new = _statements(before), _statements(upgraded)
        matches = chain.from_iterable(_CHANGED_TABLE.findall(statement) for statement in sorted(new - old))
        foreign = [table for table in matches if not table.startswith(self.history.name)]
        if changed := [*foreign, *(statement.strip().splitlines()[0] for statement in sorted(old - new))]:
            raise _Violation(
                f"The migrations change what belongs to others: {changed[0]}. Use an own table.", self.file
            )

    def check_risks(self) -> None:
        """Refuse statements that are dangerous with traffic, unless the file accepts them with a reason."""
        for found in migrations.find_risks(self.history):
            if not found.is_accepted:
                hint = "`undercroft migrate check` shows the safe sequence."
                message = f"{found.risk.kind}: {found.risk.reason} {hint}"
                raise _Violation(message, found.file, found.risk.statement.line or 1)

    def check_reverted(self, before: str, after: str) -> None:
        if differing := sorted(_statements(before) ^ _statements(after)):
            statement = " ".join(differing[0].split())
            raise _Violation(f"After `downgrade()` the schema is not as before: {statement}", self.file)


def _statements(dump: str) -> set[str]:
    lines = (line for line in dump.splitlines() if not line.startswith("--"))
    return {statement.strip() for statement in "\n".join(lines).split(";\n") if statement.strip()}
