"""What the pages have in common: forms that say what was wrong, and the way in once somebody was proven."""

from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from undercroft.core.errors import AppError
from undercroft.core.http.pages import page
from undercroft.modules.auth import MfaRequired, Started, set_session_cookie
from undercroft.modules.sign_in_pages.targets import local_path

SIGN_IN_PAGE = "/sign-in"
SECOND_STEP_PAGE = "/sign-in/second-step"
SIGN_OUT_PAGE = "/sign-out"
REGISTER_PAGE = "/register"
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def form_page(request: Request, template: str, /, *, fault: AppError | None = None, **context: Any) -> Response:
    """A page with a form; after a fault with what was wrong, in the fault's status and with its headers."""
    status, headers = (200, {}) if fault is None else (fault.status, fault.headers)
    text = "" if fault is None else fault.text
    return page(
        request, f"sign_in_pages/{template}.html", status=status, headers={**NOT_KEPT, **headers}, fault=text, **context
    )


def done_page(request: Request, title: str, text: str) -> Response:
    """Word that it worked, with a way back to the sign-in page."""
    return form_page(request, "done", title=title, text=text, sign_in=SIGN_IN_PAGE)


def entered(started: Started, wanted: str) -> Response:
    """On to the page that was wanted, with the session's cookie."""
    answer = RedirectResponse(local_path(wanted), 303, NOT_KEPT)
    set_session_cookie(answer, started.secret)
    return answer


def second_step_asked(request: Request, asked: MfaRequired, wanted: str) -> Response:
    """Where somebody shows the second factor that `MfaRequired` asks for."""
    details = asked.details or {}
    return second_step_page(request, details["mfa_token"], wanted, with_code="totp" in details["methods"])


def second_step_page(
    request: Request, mfa_token: str, wanted: str, *, with_code: bool, fault: AppError | None = None
) -> Response:
    """The form for it; `with_code` where there is an authenticator app."""
    return form_page(
        request,
        "second_step",
        fault=fault,
        action=SECOND_STEP_PAGE,
        mfa_token=mfa_token,
        with_code=with_code,
        wanted=local_path(wanted),
    )
