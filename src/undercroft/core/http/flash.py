"""Post/Redirect/Get: what a form leaves for the page it redirects to, so that neither Back nor Reload sends it again.

The values travel sealed in a cookie that only that page receives: never in its address, which ends up in logs.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse

from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.settings import CoreSettings, load

MAX_AGE = 600
"""Seconds for which the page can be reloaded and still shows the values."""
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
    """What the form left for this page; empty when it was opened in another way."""
    try:
        sealed = urlsafe_b64decode(request.cookies.get(COOKIE_NAME, ""))
        plain = keyring(PURPOSE).decrypt(sealed, context=request.scope["path"])
        return msgspec.json.decode(plain, type=dict[str, str])
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        return {}
