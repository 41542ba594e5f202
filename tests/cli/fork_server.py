"""Runs `undercroft` in forked processes, which saves importing the application for every run.

`python -m tests.cli.fork_server NUMBER` accepts connections at the socket with this file descriptor until its standard
input ends. A client sends its three standard streams, then a line of JSON with the arguments, working directory,
environment and additional folders; it receives a line with the process ID of the command, and one with its exit code.
"""

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from io import FileIO, TextIOWrapper
from select import select
from socket import recv_fds, socket
from typing import Any, NoReturn

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


def serve(listener: socket) -> None:
    """Fork a process for each connection until the tests have ended."""
    signal.signal(signal.SIGCHLD, reap)
    while sys.stdin not in select([sys.stdin, listener], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                handle(connection)


def reap(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def handle(connection: socket) -> NoReturn:
    """Run the requested command in another process, and send its exit code."""
    _, streams, _, _ = recv_fds(connection, 1, 3)
    with connection.makefile("r") as lines:
        request = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        connection.close()
        exec_command(request, streams)
    connection.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def exec_command(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Run the command in this process and exit with its exit code."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = TextIOWrapper(FileIO(0))
    sys.stdout = TextIOWrapper(FileIO(1, "w"))
    sys.stderr = TextIOWrapper(FileIO(2, "w"), errors="backslashreplace", line_buffering=True)
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
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket(fileno=int(sys.argv[1])) as listening:
        import_everything()
        serve(listening)
