"""Runs `undercroft` many times in processes of their own without importing the product anew each time.

One line of JSON per run comes in: the words, the folder, the environment, the standard input. One goes out: the exit
code and what was printed.
"""

import json
import os
import sys
import tempfile
from typing import Any

from undercroft.app import api, migrations, worker
from undercroft.cli import main
from undercroft.core import settings


def import_everything() -> None:
    migrations.histories()
    worker.load_tasks()
    for _ in api._load_routers(api.SERVED_SURFACES["all"]):
        pass
    settings.reset()


def run(wanted: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(wanted["stdin"].encode())
        stdin.seek(0)
        child = os.fork()
        if child == 0:
            for number, file in enumerate((stdin, out, err)):
                os.dup2(file.fileno(), number)
            exec_command(wanted)
        _, status = os.waitpid(child, 0)
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode())
    return {"code": os.waitstatus_to_exitcode(status), "out": printed[0], "err": printed[1]}


def exec_command(wanted: dict[str, Any]) -> None:
    """Be the process that was asked for, and end as it ends."""
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = ["undercroft", *wanted["words"]]
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
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)
