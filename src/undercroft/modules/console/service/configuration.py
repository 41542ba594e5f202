"""What the console offers in this installation."""

from fastapi import FastAPI

from undercroft.core.settings import CoreSettings, load
from undercroft.modules.console.schemas import ConsoleRead
from undercroft.modules.console.service.extension_pages import read_pages
from undercroft.providers.identity import IdentitySettings

ADMIN, MAILBOX, DOCS = "/admin", "/dev/mailbox", "/docs"


def read_configuration(app: FastAPI) -> ConsoleRead:
    paths = {getattr(route, "path", "") for route in app.routes}
    settings = load(CoreSettings)
    return ConsoleRead(
        app_name=settings.app_name,
        disabled_modules=settings.disabled_modules,
        pages=read_pages(),
        local_accounts=not load(IdentitySettings).is_external,
        admin_url=ADMIN if ADMIN in paths else None,
        mailbox_url=MAILBOX if MAILBOX in paths else None,
        docs_url=DOCS if DOCS in paths else None,
    )
