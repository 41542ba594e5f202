"""Post/Redirect/Get: values that a form passes to the page it redirects to, so that Back and Reload do not resubmit it.

The values travel encrypted in a cookie that only that page receives, never in its URL, which ends up in logs.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse

from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.settings import CoreSettings, load

MAX_AGE = 600
"""Seconds for which the page still shows the values when it is reloaded."""
COOKIE_NAME = "flash"
PURPOSE = "flash cookies"


def see_other(path: str, **values: str) -> RedirectResponse:
    """Redirect to a page of this site (303), which can read the values with `read_flash`."""
    response = RedirectResponse(path, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    if values:
        sealed = keyring(PURPOSE).encrypt(msgspec.json.encode(values), context=path)
        response.set_cookie(
            COOKIE_NAME,
            urlsafe_b64encode(sealed).decode(),
            max_age=MAX_AGE,
            path=path,
            secure=load(CoreSettings).public_url.startswith("https://"),
            httponly=True,
            samesite="lax",
        )
    return response


def read_flash(request: Request) -> dict[str, str]:
    """The values that the form passed to this page; empty if it was opened in another way."""
    try:
        sealed = urlsafe_b64decode(request.cookies.get(COOKIE_NAME, ""))
        plain = keyring(PURPOSE).decrypt(sealed, context=request.scope["path"])
        return msgspec.json.decode(plain, type=dict[str, str])
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        return {}
