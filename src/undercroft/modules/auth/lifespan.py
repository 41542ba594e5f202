"""Adds the components of sign-in to the application."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.modules.auth.service import disposable_email
from undercroft.modules.auth.service.sign_in import AuthServices


async def start(context: AppContext) -> None:
    """Raises `ConfigurationError` if a list of disposable email domains is configured and missing."""
    disposable_email.prepare()
    context.add(AuthServices, AuthServices.create(context.get(Database)))


async def stop(context: AppContext) -> None:
    await context.get(AuthServices).captcha.close()
