"""What the pages have in common: forms that say what was wrong, and the way in once somebody was proven."""

from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from undercroft.core.errors import AppError
from undercroft.core.http.pages import page
from undercroft.modules.auth import MfaRequired, Started, browser
from undercroft.modules.mfa import second_step_of
from undercroft.modules.sign_in_pages.targets import local_path

SIGN_IN_PAGE = "/sign-in"
SECOND_STEP_PAGE = "/sign-in/second-step"
PASSKEY_PAGE = "/sign-in/passkey"
SIGN_OUT_PAGE = "/sign-out"
REGISTER_PAGE = "/register"
JOIN_PAGE = "/join"
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def form_page(request: Request, template: str, /, *, error: AppError | None = None, **context: Any) -> Response:
    """A page with a form; after an error with what was wrong, in the error's status and with its headers."""
    status, headers = (200, {}) if error is None else (error.status, error.headers)
    name = f"sign_in_pages/{template}.html"
    return page(request, name, status=status, headers={**NOT_KEPT, **headers}, error=error, **context)


def entered(started: Started, wanted: str) -> Response:
    """On to the page that was wanted, with the session's cookie."""
    answer = RedirectResponse(local_path(wanted), 303, NOT_KEPT)
    browser.remember(answer, started)
    return answer


async def second_step_asked(request: Request, asked: MfaRequired, wanted: str) -> Response:
    """Where somebody shows the second factor that `MfaRequired` asks for."""
    return await second_step_page(request, (asked.details or {})["mfa_token"], wanted)


async def second_step_page(request: Request, mfa_token: str, wanted: str, *, error: AppError | None = None) -> Response:
    """The forms for it. Raises `MfaTokenInvalid`."""
    shown = await second_step_of(request, mfa_token)
    return form_page(request, "second_step", error=error, action=SECOND_STEP_PAGE, wanted=local_path(wanted), **shown)
