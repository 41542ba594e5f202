"""Executes the code blocks of a page of the documentation in a project, from top to bottom.

- ```` ```python PATH ````, or another language: the block is the file PATH.
- ```` ```diff PATH ````: its lines with `-` and its context occur once in PATH, and are replaced by those with `+`.
- ```` ```console ````: lines with `$` are commands; those below are the output in this order, with `…` for anything.
- ```` ```console background ````: the command goes on; the walk continues when its output has appeared.
- ```` ```bash ````: a script that must succeed. Exported variables and the folder remain for the blocks below.
- ```` ```text ````, ```` ```json ````, ```` ```toml ```` without a path: not executed.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from msgspec import Struct

ROOT = Path(__file__).parents[2]
SHOWN = frozenset({"text", "json", "toml"})
_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT = 300
"""Seconds for a command, and for the output of one in the background."""


class Block(Struct, frozen=True):
    """A code block: its language, the path or option beside it, its text and the line in the page."""

    language: str
    option: str
    text: str
    line: int


def read_blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(found[1], found[2] or "", found[3], text.count("\n", 0, found.start()) + 1)


class Walkthrough:
    """A terminal in a folder. `input` is what its commands read: the password that `make dev` printed."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.input = ""
        self.port = environment.get("PORT", "8000")
        self._environment = dict(environment)
        self._background: list[subprocess.Popen[bytes]] = []
        self._log, self._state = folder.parent / "background.log", folder.parent / "state"
        self._loaded, self._restarts = 0.0, 0

    def run(self, page: Path) -> None:
        """Execute all blocks of a page. Raises `AssertionError` with the line of the page."""
        for block in read_blocks(page):
            try:
                self._execute(block)
            except Exception as error:
                error.add_note(f"{page.relative_to(ROOT)}:{block.line}")
                raise

    def stop(self) -> None:
        """End the commands in the background, as Ctrl-C does."""
        for process in self._background:
            os.killpg(process.pid, signal.SIGINT)
        for process in self._background:
            process.wait(30)

    def _execute(self, block: Block) -> None:
        match block:
            case Block(language="diff", option=path) if path:
                file = self.folder / path
                file.write_text(apply_diff(file.read_text(encoding="utf-8"), block.text), encoding="utf-8")
            case Block(language="console", option="background"):
                self._start(block.text)
            case Block(language="console", option=""):
                for command, expected in split_console(block.text):
                    require_output(self.shell(command), expected)
            case Block(language="bash", option=""):
                self.shell(block.text)
            case Block(option=path) if path:
                file = self.folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            case Block(language=language):
                assert language in SHOWN, f"A block of {language} needs a path, or cannot be executed."

    def shell(self, script: str) -> str:
        """Run a script in the folder, and take over its folder and variables. Returns its output.

        Raises `AssertionError` if it fails.
        """
        self._wait_for_reload()
        keep = f"trap 'env -0 > {shlex.quote(str(self._state))}' EXIT\n"
        done = subprocess.run(
            ["bash", "-euc", keep + script.replace(":8000", f":{self.port}")],
            cwd=self.folder,
            env=self._environment,
            input=self.input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, (
            f"{script}\nexits with {done.returncode}:\n{done.stdout}\n{self._read_log()[-3000:]}"
        )
        self._environment = dict(each.split("=", 1) for each in self._state.read_text().split("\0") if each)
        self.folder = Path(self._environment["PWD"])
        return done.stdout

    def _start(self, text: str) -> None:
        ((command, expected),) = split_console(text)
        with self._log.open("wb") as log:
            self._background.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command}"],
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        expected = expected.replace(":8000", f":{self.port}")
        wait_until(lambda: matches(self._read_log(), expected) and self._is_ready(), self._read_log)
        self.input = f"{self._read_log().partition(', password ')[2].split()[0]}\n"

    def _wait_for_reload(self) -> None:
        """Wait until a running development stack has loaded the files that changed since the last command."""
        newest = max((path.stat().st_mtime for path in self._sources()), default=0)
        if not self._background or newest <= self._loaded:
            return
        wait_until(lambda: self._count_restarts() > self._restarts, self._read_log)
        steady = 0
        while steady < 10:  # a second of silence: a migration is formatted after it was written
            before = self._count_restarts()
            wait_until(self._is_ready, self._read_log)
            time.sleep(0.1)
            steady = steady + 1 if self._count_restarts() == before else 0
        self._loaded, self._restarts = newest, self._count_restarts()

    def _sources(self) -> Iterator[Path]:
        paths = (self.folder / "extensions").rglob("*.*")
        return (path for path in paths if path.suffix in {".py", ".html", ".txt"} and "tests" not in path.parts[-2:])

    def _count_restarts(self) -> int:
        return self._read_log().count("restarting")

    def _is_ready(self) -> bool:
        """Whether the server responds and the worker runs, both since the last restart."""
        if "worker.started" not in self._read_log().rpartition("restarting")[2]:
            return False
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def split_console(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with the output below it."""
    assert text.startswith("$ "), f"A console block begins with a command: $ …\n{text}"
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def matches(output: str, expected: str) -> bool:
    """Return whether the lines occur in the output, in this order; `…` stands for anything, and spaces do not count."""
    wanted = [" ".join(line.split()) for line in expected.splitlines() if line.strip()]
    pattern = r"(?s:.*)".join(".*".join(map(re.escape, line.split("…"))) for line in wanted)
    return re.search(pattern, "\n".join(" ".join(line.split()) for line in output.splitlines())) is not None


def require_output(output: str, expected: str) -> None:
    assert matches(output, expected), f"expected:\n{expected}\nprinted:\n{output}"


def apply_diff(text: str, diff: str) -> str:
    """Return the text with a change. Raises `AssertionError` unless the old lines occur once."""
    lines = [line or " " for line in diff.splitlines()]
    old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] != sign) for sign in "+-")
    assert text.count(old) == 1, f"These lines occur {text.count(old)} times:\n{old}\nin:\n{text}"
    return text.replace(old, new)


def wait_until(condition: Callable[[], bool], details: Callable[[], str]) -> None:
    """Wait until the condition is true; fails after `LIMIT` seconds with the details."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT} s:\n{details()}"
        time.sleep(0.1)
