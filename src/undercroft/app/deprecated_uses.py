"""Where a project uses what a later release of Undercroft removes."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from undercroft.app.explain.configuration import find_source
from undercroft.core.deprecations import DEPRECATIONS, DeprecatedName
from undercroft.core.modules import EXTENSIONS
from undercroft.core.telemetry.origin import relative_path

PROJECT_FOLDERS = (Path(EXTENSIONS), Path("tests"))


class DeprecatedUse(Struct, frozen=True):
    """One use. `location` is `FILE:LINE`, or `environment` for a variable of the process."""

    deprecation: DeprecatedName
    location: str

    @property
    def message(self) -> str:
        return f"{self.location}: {self.deprecation.message}"


def find_deprecated_uses() -> list[DeprecatedUse]:
    """Return all uses in the working directory, a project: names in its extensions and tests, and settings."""
    return [*find_deprecated_settings(), *find_deprecated_imports(PROJECT_FOLDERS)]


def find_deprecated_settings() -> list[DeprecatedUse]:
    """Return the deprecated settings that are set, with the environment, or the file and line, that sets each."""
    found = ((each, find_source(each.name)) for each in DEPRECATIONS if each.kind == "setting")
    return [DeprecatedUse(each, source) for each, source in found if source]


def find_deprecated_imports(folders: Iterable[Path]) -> Iterator[DeprecatedUse]:
    """Yield the uses of deprecated names in the Python files of these folders, which are read, not imported."""
    from undercroft.lint.deprecated_names import find_uses  # with the linter, which a server does not need
    from undercroft.lint.sources import Source

    known = {each.name: each for each in DEPRECATIONS if each.kind == "name"}
    words = [set(name.split(".")[-2:]) for name in known]
    for file in (file for folder in folders for file in sorted(folder.rglob("*.py"))):
        with suppress(SyntaxError, UnicodeDecodeError):
            if _mentions(file.read_text(encoding="utf-8"), words):
                for line, name in find_uses(Source(file), known):
                    yield DeprecatedUse(known[name], f"{relative_path(str(file))}:{line}")


def _mentions(text: str, names: Iterable[set[str]]) -> bool:
    """Whether a file may use one of these names, each its last words. Only then is it parsed, which takes longer."""
    return "undercroft" in text and any(all(re.search(rf"\b{word}\b", text) for word in words) for words in names)
