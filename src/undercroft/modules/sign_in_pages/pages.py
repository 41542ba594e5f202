"""The page behind a mailed link that signs somebody in. Opening it changes nothing: a button posts."""

from pathlib import Path
from typing import Annotated

from fastapi import Form, Query, Request, Response

from undercroft.core.auth import Router
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import add_templates, mailed_page
from undercroft.modules.auth import (
    MAGIC_PAGE,
    CurrentClient,
    IdentityDep,
    SessionKind,
    refuse_cross_site,
    set_session_cookie,
    sign_in_by_link,
)

add_templates(Path(__file__).parent / "templates")

pages = Router(surface="root")


@pages.get(MAGIC_PAGE)
async def magic_link_page(request: Request, token: Annotated[str, Query(max_length=512)] = "") -> Response:
    return mailed_page(request, "sign_in_pages/magic_link.html", token=token, action=MAGIC_PAGE)


@pages.post(MAGIC_PAGE)
@limit("sign_in")
@not_idempotent("The link works once.")
async def sign_in_by_magic_link(
    request: Request, client: CurrentClient, identity: IdentityDep, token: Annotated[str, Form(max_length=512)] = ""
) -> Response:
    refuse_cross_site(request, from_mail=True)
    _, started = await sign_in_by_link(identity.database, token=token, client=client, kind=SessionKind.COOKIE)
    answer = mailed_page(request, "sign_in_pages/done.html", title="You are signed in", text="Carry on where you were.")
    set_session_cookie(answer, started.secret)
    return answer
