"""The command `undercroft`. A file in this folder is a command: `cli/seed.py` is `undercroft seed`.

The file holds a function of its own name (`def seed()`), or `app`, a `typer.Typer` whose commands belong to the group.
Only the file of the command that was typed is imported; `_` in a file's name is `-` in the command's.
"""

from undercroft.cli._run import main

__all__ = ["main"]
