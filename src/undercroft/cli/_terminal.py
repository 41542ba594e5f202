"""What is printed: as wide as the terminal, and as wide as it needs to be where there is none."""

import sys

from rich.console import Console

PIPE_WIDTH = 250


def console() -> Console:
    """Standard output. Into a file or a pipe go plain lines that nothing has wrapped."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
