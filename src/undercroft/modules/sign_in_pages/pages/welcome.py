"""The first page that somebody sees."""

from fastapi import Request, Response

from undercroft.core.auth import Router
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.identities import ConnectionsDep
from undercroft.modules.sign_in_pages.answers import REGISTER_PAGE, SIGN_IN_PAGE, SIGN_OUT_PAGE, form_page
from undercroft.modules.sign_in_pages.visitors import Visitor
from undercroft.providers.identity import IdentitySettings

welcome = Router(surface="root")


@welcome.get("/")
async def welcome_page(request: Request, visitor: Visitor, connections: ConnectionsDep) -> Response:
    """Another one is put here by a template called `sign_in_pages/welcome.html`."""
    return form_page(
        request,
        "welcome",
        sign_in=SIGN_IN_PAGE,
        register=REGISTER_PAGE,
        sign_out=SIGN_OUT_PAGE,
        name=(visitor.subject["full_name"] or visitor.subject["email"]) if visitor else "",
        is_local=not load(IdentitySettings).is_external,
        has_social=bool(connections.social),
        in_development=load(CoreSettings).is_development,
    )
