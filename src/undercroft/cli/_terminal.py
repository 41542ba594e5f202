"""The console for command output."""

import sys

from rich.console import Console

PIPE_WIDTH = 250


def console() -> Console:
    """Return a console for standard output. Output to a file or pipe is plain text without line wrapping."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
