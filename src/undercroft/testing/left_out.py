"""Leaves out the tests of built-in modules that DISABLED_MODULES names: their files must not be imported.

A test file needs a module that it, a helper or `conftest.py` imports outside functions, that its extension
requires, or whose folder it is in (`tests/modules/flags/`). A single test names one with
`@pytest.mark.requires_module("flags")`. The header and the summary of the run show what is left out.
"""

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from undercroft.app.optional_modules import check_disabled, optional_modules, read_declaration, require_optional
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS

MARKER = "requires_module"
_BUILT_IN = "undercroft.modules"


class LeftOutTests:
    """The hooks of pytest for a run without some built-in modules.

    `marked` contains the test functions that were left out by a marker, each with the modules that it needs.
    """

    def __init__(self, disabled: Collection[str], root: Path) -> None:
        try:
            check_disabled(disabled)
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from None
        self.disabled = frozenset(disabled)
        self.root = root
        self.marked: dict[str, list[str]] = {}

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Print one line. `pytest_report_header` would hide it with `-q`."""
        if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
            files, modules = list(self._list_files(session.config)), ", ".join(sorted(self.disabled))
            reporter.write_line(f"disabled modules: {modules}; {len(files)} test files need them and are left out")

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        needed = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
        return True if needed.suffix == ".py" and needed.is_file() and self._find_needed(needed) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if self._find_marked(item)]
        if left_out:
            items[:] = [item for item in items if not self._find_marked(item)]
            config.hook.pytest_deselected(items=left_out)
        self.marked |= {item.nodeid.partition("[")[0]: self._find_marked(item) for item in left_out}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Send the tests to xdist's controller. A run of which everything was left out succeeds."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and (self.marked or any(self._list_files(session.config))):
            session.exitstatus = pytest.ExitCode.OK
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[MARKER] = self.marked

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.marked |= getattr(node, "workeroutput", {}).get(MARKER, {})

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        files, tests = Counter[str](), Counter[str]()
        for file, needed in self._list_files(config):
            name = self._describe(needed)
            files[name] += 1
            tests[name] += _count_tests(file)
        tests.update(self._describe(needed) for needed in self.marked.values())
        if not tests:
            return
        terminalreporter.section("left out, because these modules are disabled")
        for name in sorted(tests):
            terminalreporter.line(f"{name}: {tests[name]} test functions, {files[name]} whole files")
        terminalreporter.line(f"total: {tests.total()} test functions, {files.total()} whole files")

    def _list_files(self, config: pytest.Config) -> Iterator[tuple[Path, list[str]]]:
        """The files among the arguments of pytest that are left out, with the disabled modules that they need."""
        for file in _list_test_files(tuple(config.args), config.invocation_params.dir):
            if needed := self._find_needed(file):
                yield file, needed

    def _describe(self, needed: Collection[str]) -> str:
        return "all of them" if 1 < len(needed) == len(self.disabled) else ", ".join(needed)

    def _find_needed(self, file: Path) -> list[str]:
        return sorted(self.disabled.intersection(find_needed_modules(file, self.root)))

    def _find_marked(self, item: pytest.Item) -> list[str]:
        return sorted(self.disabled.intersection(name for mark in item.iter_markers(MARKER) for name in mark.args))


def check_markers(items: Collection[pytest.Item]) -> None:
    """Raise `pytest.UsageError` if a marker names a module that cannot be disabled."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            try:
                for name in mark.args:
                    require_optional(name)
            except ConfigurationError as error:
                raise pytest.UsageError(f"{item.nodeid} is marked with {MARKER}: {error}") from None


@cache
def find_needed_modules(file: Path, root: Path) -> frozenset[str]:
    """Return the optional modules without which this test file cannot be imported or makes no sense.

    `root` is the folder of the project. Helpers and extensions in it are read as well, nothing is imported.
    """
    reached, waiting = set[Path](), {file, *_list_conftests(file, root)}
    needed = {*_find_folder_module(file, root), *_find_requirements(file, root)}
    while waiting:
        reached |= waiting
        imported = {name for each in waiting for name in _list_imports(each, root)}
        needed |= {name.split(".")[2] for name in imported if name.startswith(f"{_BUILT_IN}.")}
        waiting = {path for name in imported for path in _find_files(name, root)} - reached
    return frozenset(needed.intersection(optional_modules()))


def _list_conftests(file: Path, root: Path) -> Iterator[Path]:
    folders = [folder for folder in file.parents if folder.is_relative_to(root)]
    return (conftest for folder in folders if (conftest := folder / "conftest.py").is_file())


def _find_folder_module(file: Path, root: Path) -> tuple[str, ...]:
    parts = file.relative_to(root).parts if file.is_relative_to(root) else ()
    return parts[2:3] if parts[:2] == ("tests", "modules") else ()


def _find_requirements(file: Path, root: Path) -> tuple[str, ...]:
    """Return the modules that the extension requires to which this file belongs."""
    folder = root / EXTENSIONS
    if not file.is_relative_to(folder) or file.parent == folder:
        return ()
    declaration = folder / file.relative_to(folder).parts[0] / "__init__.py"
    return tuple(read_declaration(declaration).get("requires", ())) if declaration.is_file() else ()


@cache
def _list_imports(file: Path, root: Path) -> frozenset[str]:
    """Return the names that importing this file imports: `from a import b` is `a` and `a.b`."""
    package = file.relative_to(root).parts[:-1] if file.is_relative_to(root) else ()
    found = set[str]()
    for node in _walk_import_time(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _walk_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below a node that is executed when its file is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield child
        yield from _walk_import_time(child)


def _find_files(name: str, root: Path) -> Iterator[Path]:
    """The files of the project that importing a name executes: those of the module and of its packages."""
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:number])
        yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


@cache
def _list_test_files(arguments: tuple[str, ...], folder: Path) -> list[Path]:
    paths = [(folder / argument.partition("::")[0]).resolve() for argument in arguments]
    below = [path if path.is_file() else file for path in paths for file in [path, *path.rglob("test_*.py")]]
    return sorted({file for file in below if file.suffix == ".py" and file.is_file()})


def _count_tests(file: Path) -> int:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return sum(each.name.startswith("test_") for each in functions)
