"""A new extension of a project: a folder in `extensions/`, enabled in `pyproject.toml`."""

import ast
import keyword
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

import undercroft
from undercroft.app.discovery import find_modules, resources_of
from undercroft.app.optional_modules import built_in_names
from undercroft.app.project_lists import ENABLED_EXTENSIONS, PROJECT_TABLE
from undercroft.core.crud.declaration import pluralize
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS, available_extensions
from undercroft.core.settings import PROJECT_FILE, read_environ, read_project_settings, split_list
from undercroft.scaffolding.rendering import render, write

MAX_LENGTH = 20
"""Of the name of an extension and of an entity: names of constraints have at most 63 characters."""
_IDENTIFIER = r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*"


class CreatedExtension(Struct, frozen=True):
    """An extension. `to_do` is what remains to be done to enable it, empty if it is enabled."""

    folder: Path
    path: str
    to_do: str = ""


def create_extension(name: str, entity: str | None) -> CreatedExtension:
    """Create an extension in the project in the working directory, and enable it.

    `entity` is the singular name of its first entity, by default that of the extension. Raises `ConfigurationError` for
    an invalid or taken name, and outside a project.
    """
    _require_project()
    check_identifier(name, "an extension", "undercroft new-extension")
    noun = entity or name
    check_identifier(noun, "an entity", f"undercroft new-extension {name} --entity")
    _check_extension_name(name)
    values = template_values(name, noun, package=EXTENSIONS, mount=f"/ext/{name}", page_path="/about")
    check_entity(values, "undercroft new-extension")
    files = render("extension", values)
    check_class_name(noun, values, files)
    folder = Path(EXTENSIONS) / name
    write(files, folder)
    try:
        to_do = _enable(name)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return CreatedExtension(folder, values["api"], to_do)


def template_values(name: str, noun: str, *, package: str, mount: str, page_path: str) -> dict[str, str]:
    """Return the values of the templates. Routes are below the path `mount` of their surface."""
    plural = pluralize(noun)
    thing, things, title = (words.replace("_", " ") for words in (noun, plural, name))
    return {
        "name": name,
        "package": f"{package}.{name}",
        "api": f"/api/v1/app{mount}/{plural.replace('_', '-')}",
        "page": f"{mount}{page_path}",
        "page_path": page_path,
        "NAME": name.upper(),
        "Name": _class_name(name),
        "Title": title.capitalize(),
        "noun": noun,
        "plural": plural,
        "path": plural.replace("_", "-"),
        "model": _class_name(noun),
        "table": f"{name}_{plural}",
        "thing": thing,
        "things": things,
        "Things": things.capitalize(),
    }


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _require_project() -> None:
    if Path(EXTENSIONS).is_symlink():
        raise ConfigurationError(f"{EXTENSIONS} is a link to another folder. Replace it by a folder of the project.")
    if PROJECT_FILE.is_file():
        return
    above = next((each for each in Path.cwd().parents if (each / PROJECT_FILE).is_file()), None)
    fix = f"Run it in {above}." if above else "Create a project with `undercroft new shop`, and run it in its folder."
    raise ConfigurationError(f"There is no {PROJECT_FILE} here. {fix}")


def check_identifier(name: str, kind: str, command: str) -> None:
    if re.fullmatch(_IDENTIFIER, name) and len(name) <= MAX_LENGTH and not keyword.iskeyword(name):
        return
    suggestion = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:MAX_LENGTH].strip("_")
    hint = ""
    if re.fullmatch(_IDENTIFIER, suggestion) and not keyword.iskeyword(suggestion):
        hint = f" For example: {command} {suggestion}"
    raise ConfigurationError(
        f"{name!r} cannot be the name of {kind}. Use lowercase letters, digits and underscores, at most {MAX_LENGTH} "
        f"characters, and no keyword of Python.{hint}"
    )


def _check_extension_name(name: str) -> None:
    commands = Path(undercroft.__file__).parent / "cli"
    folder = Path(EXTENSIONS) / name
    taken = {
        f"{folder} exists": folder.exists() or folder.is_symlink(),
        "An installed extension has this name": name in available_extensions(),
        "A built-in module has this name": name in built_in_names(),
        f"`undercroft {name}` is a command": (commands / f"{name}.py").exists(),
        "A module of Python has this name": name in sys.stdlib_module_names,
        "Undercroft uses this name itself": name in {"undercroft", EXTENSIONS, "core", "test", "tests"},
    }
    for reason, applies in taken.items():
        if applies:
            raise ConfigurationError(f"{reason}. Choose another name: undercroft new-extension my_{name}")


def check_entity(values: Mapping[str, str], command: str) -> None:
    """Refuse an entity that a built-in module or an extension has: its permissions would have the same names."""
    plural = values["plural"]
    homes = {resource.plural: "Undercroft" for module in find_modules() for resource in resources_of(module)}
    for file in sorted(Path(EXTENSIONS).glob("*/resources.py")):
        text = file.read_text(encoding="utf-8")
        if re.search(rf'"{plural}"|^    model = {values["model"]}$', text, re.MULTILINE):
            homes[plural] = str(file)
    if plural in homes:
        hint = f"{command} {values['name']} --entity {values['name']}_{values['noun']}"
        raise ConfigurationError(f"{homes[plural]} has {plural} already. Choose another entity: {hint}")


def check_class_name(noun: str, values: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Refuse a name that would hide a name that the generated code imports."""
    trees = [ast.parse(text) for path, text in files.items() if path.endswith(".py")]
    imports: list[Any] = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = values["package"]
    libraries = {alias.name for node in imports if not node.module.startswith(f"{own}.") for alias in node.names}
    if values["model"] in libraries:
        raise ConfigurationError(
            f"The class {values['model']} would hide a class that the code uses. Choose another entity: "
            f"--entity my_{noun}"
        )


def _enable(name: str) -> str:
    """Add the extension to the project's file. Returns what remains to be done, empty if it is enabled."""
    key = ENABLED_EXTENSIONS.key
    before, overriding = read_project_settings().get(key, ""), read_environ().get(key, "")
    if not ENABLED_EXTENSIONS.write_to_project([*split_list(before), name]):
        return f'Enable it: add "{name}" to {key} in {PROJECT_TABLE} of {PROJECT_FILE}.'
    if overriding != before and name not in split_list(overriding):
        return f"To enable it, add {name} to ENABLED_EXTENSIONS in .env or the environment, which takes precedence."
    return ""
