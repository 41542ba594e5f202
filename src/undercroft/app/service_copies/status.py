"""Compares copies with their originals."""

import re
from collections.abc import Iterator
from pathlib import Path

from undercroft.app.override_status import Override, OverrideStatus
from undercroft.app.service_copies.methods import ServiceMethod, find_method
from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import EXTENSIONS
from undercroft.core.telemetry.origin import locate

_HEADER = re.compile(
    r"^(?P<indent> *)# Copy of (?P<name>[\w.]+) of undercroft (?P<release>\S+), sha256:(?P<digest>[0-9a-f]+)\.$",
    re.MULTILINE,
)


def list_copies() -> list[Override]:
    """Return the copied methods in the project's extensions, each compared with its original, sorted by path."""
    files = sorted(Path(EXTENSIONS).glob("*/**/*.py"))
    return [found for file in files for found in _copies_in(file)]


def _copies_in(file: Path) -> Iterator[Override]:
    for match in _HEADER.finditer(file.read_text(encoding="utf-8", errors="replace")):
        yield Override(file, *_compare(match))


def _compare(header: re.Match[str]) -> tuple[OverrideStatus, str]:
    name = header["name"]
    try:
        method = find_method(name)
    except ConfigurationError:
        return OverrideStatus.MISSING, f"this release has no {name}. Delete the copy, or override what replaces it."
    if header["digest"] == method.digest:
        return OverrideStatus.CURRENT, f"overrides {name} of undercroft {header['release']}."
    return OverrideStatus.CHANGED, (
        f"{name} has changed since {header['release']}. Compare the copy with {locate(method.function)}, then run "
        f"`undercroft eject {name} --merged`."
    )


def mark_method_merged(method: ServiceMethod) -> list[Path]:
    """Record in the copies of a method that they contain its changes, and return the files.

    Raises `ConfigurationError` if there is no copy.
    """
    changed = []
    for file in sorted(Path(EXTENSIONS).glob("*/**/*.py")):
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        updated = _HEADER.sub(
            lambda found: found["indent"] + method.header if found["name"] == method.qualified_name else found[0], text
        )
        if any(found["name"] == method.qualified_name for found in _HEADER.finditer(text)):
            file.write_text(updated, encoding="utf-8", errors="surrogateescape")
            changed.append(file)
    if not changed:
        raise ConfigurationError(f"There is no copy of {method.qualified_name}. Create it without --merged.")
    return changed
