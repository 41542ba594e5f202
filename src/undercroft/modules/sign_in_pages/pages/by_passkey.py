"""Signing in with a passkey alone. A page of its own has the script, so that the first one needs none."""

from typing import Annotated

from fastapi import Form, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.auth import Router
from undercroft.core.errors import AppError
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import LONGEST_PATH
from undercroft.modules.auth import refuse_cross_site, require_local_accounts
from undercroft.modules.mfa import LONGEST_PASSKEY, enter_by_passkey, passkey_alone_of
from undercroft.modules.sign_in_pages.answers import NOT_KEPT, PASSKEY_PAGE, SIGN_IN_PAGE, entered, form_page
from undercroft.modules.sign_in_pages.targets import local_path

by_passkey = Router(surface="root", dependencies=[require_local_accounts()])


@by_passkey.post(PASSKEY_PAGE)
@limit("sign_in")
@not_idempotent("A challenge works once.")
async def sign_in_by_passkey(
    request: Request,
    passkey: Annotated[str, Form(max_length=LONGEST_PASSKEY)] = "",
    wanted: Annotated[str, Form(alias="next", max_length=LONGEST_PATH)] = "",
) -> Response:
    """Ask for a passkey, by a button of the first page, or let in whoever has shown one."""
    refuse_cross_site(request)
    if not passkey:
        return await _form(request, wanted)
    try:
        return entered(await enter_by_passkey(request, passkey), wanted)
    except AppError as error:
        return await _form(request, wanted, error)


@by_passkey.get(PASSKEY_PAGE)
async def passkey_page_left() -> Response:
    """Opening an address keeps no challenge."""
    return RedirectResponse(SIGN_IN_PAGE, 303, NOT_KEPT)


async def _form(request: Request, wanted: str, error: AppError | None = None) -> Response:
    shown = await passkey_alone_of(request)
    wanted = local_path(wanted)
    return form_page(request, "passkey", error=error, action=PASSKEY_PAGE, sign_in=SIGN_IN_PAGE, wanted=wanted, **shown)
