"""Checks the pages of extensions at startup."""

from undercroft.core.context import AppContext
from undercroft.modules.console.service.extension_pages import read_pages


async def start(_context: AppContext) -> None:
    """Raises `CodeError` for an invalid manifest."""
    read_pages()
