"""Runs commands of Undercroft for the tools."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

import undercroft
from undercroft.core.modules import EXTENSIONS
from undercroft.core.settings import STATE_FOLDER

TIMEOUT = 60
_PACKAGE = Path(undercroft.__file__).parent
_CONFIGURATION = (Path("pyproject.toml"), Path("uv.lock"), Path(".env"), STATE_FOLDER / "dev.json")


class ApplicationMap:
    """The output of `undercroft map`, read again when a file of the project has changed."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._files: dict[str, int] = {}
        self._map: dict[str, list[dict[str, Any]]] = {}

    async def get(self, kind: str) -> list[dict[str, Any]]:
        """Return the descriptions of a kind, such as `routes`. Raises `ToolError`."""
        async with self._lock:
            files = await asyncio.to_thread(_modification_times)
            if files != self._files:
                self._map = json.loads(await run_command("map"))
                self._files = files
        return self._map.get(kind, [])


def _modification_times() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in _source_files():
        try:
            found[str(path)] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


def _source_files() -> Iterator[Path]:
    """The files on which the map depends; those of Undercroft only where it is developed."""
    yield from _CONFIGURATION
    yield from Path(EXTENSIONS).rglob("*.*")
    if _PACKAGE.is_relative_to(Path.cwd()) and ".venv" not in _PACKAGE.parts:
        yield from _PACKAGE.rglob("*.py")


async def run_command(*words: str) -> str:
    """Return the output of `undercroft WORDS`. Raises `ToolError` with what it reports."""
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "undercroft.cli", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await process.communicate()
    except TimeoutError:
        raise ToolError(f"`undercroft {words[0]}` took longer than {TIMEOUT} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ToolError(errors.decode(errors="replace").strip() or f"`undercroft {words[0]}` failed.")
    return output.decode(errors="replace")
