"""Where an administrator goes on to after signing in: the page below `/admin` that was asked for.

Only pages that show something are named, and none that does something when it is opened, such as an export.
"""

import re
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from undercroft.core.http.local_paths import is_local_path

FRONT = "/admin/"
SIGN_IN = "/admin/login"
_PLACE = re.compile(r"/admin/[\w-]+/(list|create|(details|edit)/[^/\\%.\x00-\x1f\x7f][^/\\%\x00-\x1f\x7f]*)", re.ASCII)


def place(wanted: str) -> str:
    """The page, if it is one of `/admin` to look at, else the dashboard."""
    path = unquote(wanted.partition("?")[0])
    return wanted if is_local_path(wanted) and "#" not in wanted and _PLACE.fullmatch(path) else FRONT


def sign_in_for(request: Request) -> str:
    """The address of the sign-in page that leads on to what was asked for."""
    wanted = _asked_for(request) if request.method == "GET" else FRONT
    return SIGN_IN if wanted == FRONT else f"{SIGN_IN}?{urlencode({'next': wanted})}"


def _asked_for(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = quote(request.scope["path"], safe="/:;,=@~")
    return place(f"{path}?{query}" if query else path)
