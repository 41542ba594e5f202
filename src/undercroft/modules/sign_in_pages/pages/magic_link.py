"""The page behind a mailed link that signs somebody in. Opening it changes nothing: a button posts."""

from typing import Annotated

from fastapi import Form, Query, Request, Response

from undercroft.core.auth import Router
from undercroft.core.errors import AppError
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import Action, failure_page, mailed_page
from undercroft.modules.auth import (
    MAGIC_PAGE,
    CurrentClient,
    IdentityDep,
    LinkOfAnotherDevice,
    MfaRequired,
    SessionKind,
    refuse_cross_site,
    require_local_accounts,
    sign_in_by_link,
)
from undercroft.modules.sign_in_pages.answers import SIGN_IN_PAGE, entered, second_step_asked
from undercroft.modules.users import EMAIL_LENGTH

magic_link = Router(surface="root", dependencies=[require_local_accounts()])


@magic_link.get(MAGIC_PAGE)
async def magic_link_page(request: Request, token: Annotated[str, Query(max_length=512)] = "") -> Response:
    return _form(request, token)


@magic_link.post(MAGIC_PAGE)
@limit("sign_in")
@not_idempotent("The link works once.")
async def sign_in_by_magic_link(
    request: Request,
    client: CurrentClient,
    identity: IdentityDep,
    token: Annotated[str, Form(max_length=512)] = "",
    email: Annotated[str, Form(max_length=EMAIL_LENGTH)] = "",
) -> Response:
    """A browser that did not request the link is shown whose account it signs in to, and asked once more."""
    refuse_cross_site(request, from_mail=True)
    try:
        _, started = await sign_in_by_link(
            identity.database, token=token, client=client, kind=SessionKind.COOKIE, email=email
        )
    except LinkOfAnotherDevice as error:
        return _form(request, token, email=(error.details or {})["email"])
    except MfaRequired as asked:
        return await second_step_asked(request, asked, "")
    except AppError as error:
        return failure_page(request, error, "The link does not work", Action("Sign in", SIGN_IN_PAGE))
    return entered(started, "")


def _form(request: Request, token: str, *, email: str = "") -> Response:
    return mailed_page(request, "sign_in_pages/magic_link.html", token=token, action=MAGIC_PAGE, email=email)
