"""Runs `undercroft` in forked processes, which saves importing the application for every run.

Reads one JSON line per run: arguments, working directory, environment, standard input and additional folders. Writes
one JSON line with the exit code and the output.
"""

import json
import os
import sys
import tempfile
from typing import Any

import undercroft.modules
from undercroft.app import migrations
from undercroft.app.discovery import find_modules
from undercroft.app.registry import get_registry
from undercroft.cli import main
from undercroft.core import settings
from undercroft.core.context import AppContext, use_context


def import_everything() -> None:
    with use_context(AppContext()):
        migrations.histories()
        registry = get_registry()
        for name in ("tasks", "routes", "pages"):
            for _ in registry.parts(name):
                pass
    settings.reset()


def run(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(request["stdin"].encode())
        stdin.seek(0)
        child = os.fork()
        if child == 0:
            for number, file in enumerate((stdin, out, err)):
                os.dup2(file.fileno(), number)
            exec_command(request)
        _, status = os.waitpid(child, 0)
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode())
    return {"code": os.waitstatus_to_exitcode(status), "out": printed[0], "err": printed[1]}


def exec_command(request: dict[str, Any]) -> None:
    """Run the command in this process and exit with its exit code."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path.extend(filter(None, [request["path"]]))
    if request["modules"]:
        undercroft.modules.__path__.append(request["modules"])
        find_modules.cache_clear()
    sys.argv = ["undercroft", *request["words"]]
    code: Any = 70
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    import_everything()
    results = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=results, flush=True)
