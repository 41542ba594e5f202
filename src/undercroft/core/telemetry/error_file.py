"""The last errors of a development stack, in a file that survives the processes and that programs can read.

`undercroft dev` sets UNDERCROFT_ERROR_FILE for the server and the worker, which append one JSON line per error.
"""

import json
import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

VARIABLE = "UNDERCROFT_ERROR_FILE"
MAX_BYTES, KEPT = 512 * 1024, 100
"""If the file is larger than this, it is shortened to its last lines."""
MAX_LINE = 32 * 1024

_encode = msgspec.json.Encoder(enc_hook=str).encode


def record_error(event: MutableMapping[str, Any]) -> None:
    """Append an event of the level error, which is already redacted. Does nothing outside a development stack."""
    if (name := os.environ.get(VARIABLE)) and event.get("level") in ("error", "critical", "exception"):
        with suppress(OSError, TypeError, ValueError):
            _append(Path(name), dict(event))


def _append(path: Path, event: dict[str, Any]) -> None:
    line = _encode(event)
    if len(line) > MAX_LINE:
        shortened = {key: f"{value[:8000]}…" if isinstance(value, str) else value for key, value in event.items()}
        line = _encode(shortened)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line + b"\n")  # one write: several processes append
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size > MAX_BYTES:
        _shorten(path)


def _shorten(path: Path) -> None:
    """Keep the last lines. A line that another process appends at the same moment may be lost."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    lines = path.read_bytes().splitlines(keepends=True)[-KEPT:]
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.writelines(lines)
    half.replace(path)


def read_errors(path: Path) -> list[dict[str, Any]]:
    """The recorded errors, oldest first; none if there is no file. Lines that are not JSON are left out."""
    found = []
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return [each for each in found if isinstance(each, dict)]
