"""A new built-in module in a checkout of Undercroft, from the templates of an extension."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

import undercroft
from undercroft.app.api import offline_app
from undercroft.app.optional_modules import built_in_names
from undercroft.core.auth.permissions import list_permissions
from undercroft.core.context import use_context
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.versions import path_of
from undercroft.core.modules import EXTENSIONS, available_extensions
from undercroft.scaffolding.extension import check_class_name, check_entity, check_identifier, template_values
from undercroft.scaffolding.rendering import render

MODULES, TESTS = Path("src/undercroft/modules"), Path("tests/modules")
COMMAND = "undercroft new-module"
_STAGING = re.compile(r"\.new-module-(\d+)")


class CreatedModule(Struct, frozen=True):
    """A module, its tests, and the path of its API."""

    folder: Path
    tests: Path
    path: str


def create_module(name: str, entity: str | None) -> CreatedModule:
    """Create a module in the checkout in the working directory.

    `entity` is the singular name of its first entity, by default that of the module. Raises `ConfigurationError` for an
    invalid or taken name, and outside a checkout.
    """
    _require_checkout(name)
    check_identifier(name, "a module", COMMAND)
    noun = entity or name
    check_identifier(noun, "an entity", f"{COMMAND} {name} --entity")
    _remove_interrupted()
    _check_name(name)
    values = template_values(name, noun, package="undercroft.modules", mount="", page_path=f"/{name}/about")
    check_entity(values, COMMAND)
    _check_paths(name, values)
    files = render("extension", values)
    check_class_name(noun, values, files)
    created = CreatedModule(MODULES / name, TESTS / name, values["api"])
    _write(files, created)
    return created


def _require_checkout(name: str) -> None:
    installed = Path(undercroft.__file__).parent
    if (MODULES / "__init__.py").is_file() and installed.samefile(MODULES.parent):
        return
    checkout = installed.parent.parent
    if (checkout / MODULES).is_dir() and Path.cwd().is_relative_to(checkout):
        raise ConfigurationError(f"Run it in {checkout}.")
    raise ConfigurationError(
        "This is not the checkout of Undercroft that is installed. A built-in module is added there; in a project, use "
        f"undercroft new-extension {name}"
    )


def _check_name(name: str) -> None:
    taken = {
        f"{MODULES / name} exists": (MODULES / name).exists(),
        f"{TESTS / name} exists": (TESTS / name).exists(),
        "A built-in module has this name": name in built_in_names(),
        "An extension has this name": name in available_extensions() or (Path(EXTENSIONS) / name).exists(),
        f"`undercroft {name}` is a command": (MODULES.parent / "cli" / f"{name}.py").exists(),
        "Undercroft uses this name itself": name in {"undercroft", EXTENSIONS, "core", "test", "tests"},
    }
    for reason, applies in taken.items():
        if applies:
            raise ConfigurationError(f"{reason}. Choose another name: {COMMAND} my_{name}")


def _check_paths(name: str, values: Mapping[str, str]) -> None:
    """Refuse an entity whose routes or permissions exist without a resource."""
    hint = f"Choose another entity: {COMMAND} {name} --entity {name}_{values['noun']}"
    app = offline_app()
    for path in (values["api"], values["page"]):
        if any(f"{path_of(route)}/".startswith(f"{path}/") for route in app.router.routes):
            raise ConfigurationError(f"{path} exists. {hint}")
    with use_context(app.context):
        permissions = list_permissions()
    if any(permission.name.startswith(f"{values['plural']}:") for permission in permissions):
        raise ConfigurationError(f"There are permissions for {values['plural']}. {hint}")


def _write(files: Mapping[str, str], created: CreatedModule) -> None:
    """Write the module and its tests beside all others, and move them there at the end, the tests first."""
    staging = MODULES / f".new-module-{os.getpid()}"
    module, tests = staging / created.folder.name, staging / "tests"
    try:
        for path, text in files.items():
            if path != "README.md":
                _write_file(tests / path.removeprefix("tests/") if path.startswith("tests/") else module / path, text)
        _write_file(tests / "__init__.py", "")
        _format(staging)
        tests.rename(created.tests)
        module.rename(created.folder)
    except BaseException:
        _remove(staging)
        raise
    staging.rmdir()


def _write_file(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")


def _format(folder: Path) -> None:
    """Sort the imports: in a project, those of Undercroft are those of a library."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        raise ConfigurationError("The generated code is formatted with ruff, which is missing. Run `make install`.")
    files = [*map(str, folder.rglob("*.py"))]  # a hidden folder would be ignored
    own = 'lint.isort.known-first-party=["undercroft"]'  # the module does not exist yet
    for command in (("check", "--quiet", "--fix", "--select", "I", "--config", own), ("format", "--quiet")):
        subprocess.run([ruff, *command, "--no-cache", *files], check=True)


def _remove_interrupted() -> None:
    """Remove what a process left behind that was killed while it created a module."""
    for staging in MODULES.glob(".new-module-*"):
        match = _STAGING.fullmatch(staging.name)
        if match and not _is_running(int(match[1])):
            _remove(staging)


def _remove(staging: Path) -> None:
    """Remove a staging folder, and the tests that were moved without their module."""
    for module in staging.glob("*"):
        if module.name != "tests" and not (staging / "tests").exists():
            shutil.rmtree(TESTS / module.name, ignore_errors=True)
    shutil.rmtree(staging, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
