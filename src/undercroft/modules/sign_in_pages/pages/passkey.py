"""Sign-in with a passkey alone, on a separate page, so that the sign-in page needs no script."""

from typing import Annotated

from fastapi import Form, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import MAX_PATH_LENGTH
from undercroft.modules.auth import refuse_cross_site, require_local_accounts
from undercroft.modules.mfa import MAX_PASSKEY_LENGTH, authenticate_with_passkey, passkey_sign_in_context
from undercroft.modules.sign_in_pages.redirects import safe_next_path
from undercroft.modules.sign_in_pages.responses import (
    NO_STORE,
    PASSKEY_PAGE,
    SIGN_IN_PAGE,
    form_page,
    redirect_signed_in,
)

passkey_router = Router(surface="root", dependencies=[require_local_accounts()])


@passkey_router.post(PASSKEY_PAGE)
@limit("sign_in")
@idempotency_exempt("A challenge works once.")
async def sign_in_by_passkey(
    request: Request,
    passkey: Annotated[str, Form(max_length=MAX_PASSKEY_LENGTH)] = "",
    next_path: Annotated[str, Form(alias="next", max_length=MAX_PATH_LENGTH)] = "",
) -> Response:
    """Show the passkey prompt, or sign in if the form contains a passkey response."""
    refuse_cross_site(request)
    if not passkey:
        return await _render_form(request, next_path)
    try:
        return redirect_signed_in(await authenticate_with_passkey(request, passkey), next_path)
    except AppError as error:
        return await _render_form(request, next_path, error)


@passkey_router.get(PASSKEY_PAGE)
async def redirect_to_sign_in() -> Response:
    """Redirect, because a GET request must not store a challenge."""
    return RedirectResponse(SIGN_IN_PAGE, 303, NO_STORE)


async def _render_form(request: Request, next_path: str, error: AppError | None = None) -> Response:
    context = await passkey_sign_in_context(request)
    next_path = safe_next_path(next_path)
    return form_page(
        request, "passkey", error=error, action=PASSKEY_PAGE, sign_in=SIGN_IN_PAGE, next_path=next_path, **context
    )
