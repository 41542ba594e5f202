"""The page that a sign-in link opens. A GET request changes nothing; the form on the page signs in."""

from typing import Annotated

from fastapi import Form, Query, Request, Response

from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import Action, email_link_page, failure_page
from undercroft.modules.auth import (
    MAGIC_LINK_PAGE,
    AuthServicesDep,
    CurrentClient,
    LinkOfAnotherDevice,
    MfaRequired,
    SessionKind,
    refuse_cross_site,
    require_local_accounts,
    sign_in_by_link,
)
from undercroft.modules.sign_in_pages.responses import SIGN_IN_PAGE, mfa_required_page, redirect_signed_in
from undercroft.modules.users import EMAIL_LENGTH

magic_link_router = Router(surface="root", dependencies=[require_local_accounts()])


@magic_link_router.get(MAGIC_LINK_PAGE)
async def magic_link_page(request: Request, token: Annotated[str, Query(max_length=512)] = "") -> Response:
    return _render_form(request, token)


@magic_link_router.post(MAGIC_LINK_PAGE)
@limit("sign_in")
@idempotency_exempt("The link works once.")
async def sign_in_by_magic_link(
    request: Request,
    client: CurrentClient,
    auth_services: AuthServicesDep,
    token: Annotated[str, Form(max_length=512)] = "",
    email: Annotated[str, Form(max_length=EMAIL_LENGTH)] = "",
) -> Response:
    """Sign in. A browser that did not request the link first confirms the account's email address."""
    refuse_cross_site(request, from_mail=True)
    try:
        _, started = await sign_in_by_link(
            auth_services.database, token=token, client=client, kind=SessionKind.COOKIE, email=email
        )
    except LinkOfAnotherDevice as error:
        return _render_form(request, token, email=(error.details or {})["email"])
    except MfaRequired as error:
        return await mfa_required_page(request, error, "")
    except AppError as error:
        return failure_page(request, error, "The link does not work", Action("Sign in", SIGN_IN_PAGE))
    return redirect_signed_in(started, "")


def _render_form(request: Request, token: str, *, email: str = "") -> Response:
    return email_link_page(request, "sign_in_pages/magic_link.html", token=token, action=MAGIC_LINK_PAGE, email=email)
