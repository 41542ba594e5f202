"""The `undercroft` command. Each file in this folder defines one command: `cli/seed.py` is `undercroft seed`.

A file defines a function with the name of the file (`def seed()`), or `app`, a `typer.Typer` with the group's commands.
Only the file of the requested command is imported. `_` in a file name becomes `-` in the command name. With
`ATTACHES = True`, the commands of a file use the stack of a running `undercroft dev`.
"""

from undercroft.cli._run import main

__all__ = ["main"]
