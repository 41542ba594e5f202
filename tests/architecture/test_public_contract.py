"""Some built-in modules use only what an extension may use, which shows that the public contract suffices."""

import ast
from pathlib import Path

import pytest

from tests.enabled import DISABLED
from undercroft.app.discovery import find_modules
from undercroft.app.optional_modules import optional_modules, with_requirements
from undercroft.lint.extension_changes import find_changes_of_imports, find_missing_downgrade
from undercroft.lint.extension_imports import NOT_APPLICATION, find_forbidden_imports

BUILT_ON_THE_CONTRACT = ("flags", "system_settings")
PARAMETERS = [pytest.param(name, marks=pytest.mark.requires_module(name)) for name in BUILT_ON_THE_CONTRACT]
MODULES = {module.name: module for module in find_modules(DISABLED)}


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@pytest.mark.parametrize("name", PARAMETERS)
def test_module_imports_only_what_an_extension_may_import(name: str) -> None:
    module = MODULES[name]
    undeclared = frozenset(optional_modules()) - with_requirements(module.declaration.requires) - {name}
    files = [file for file in module.folder.rglob("*.py") if NOT_APPLICATION.isdisjoint(file.parts)]
    assert len(files) > 10
    for file in files:
        nodes = list(ast.walk(parse(file)))
        found = [
            (statement.lineno, message)
            for statement, message in find_forbidden_imports(nodes, module.package.__name__, (), undeclared)
            if f".modules.{name}." not in message
        ]
        assert found == [], file
        assert list(find_changes_of_imports(nodes)) == [], file


@pytest.mark.parametrize("name", PARAMETERS)
def test_migrations_of_the_module_can_be_reverted(name: str) -> None:
    migrations = sorted((MODULES[name].folder / "migrations" / "versions").glob("*.py"))
    assert migrations
    assert [file for file in migrations if find_missing_downgrade(parse(file))] == []
