"""Runs when the application starts and stops."""

from extensions.example.settings import ExampleSettings

from undercroft.core.context import AppContext
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load


async def start(context: AppContext) -> None:  # noqa: ARG001
    """Raises `ConfigurationError` if rooms never open."""
    settings = load(ExampleSettings)
    if settings.opens >= settings.closes:
        raise ConfigurationError("EXAMPLE_OPENS must be before EXAMPLE_CLOSES.")
