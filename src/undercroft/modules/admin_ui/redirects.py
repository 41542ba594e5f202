"""The target of the redirect after an administrator's sign-in: the requested page below `/admin`.

Only pages that display data are allowed, not those that perform an action when opened, such as an export.
"""

import re
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from undercroft.core.http.local_paths import is_local_path

HOME = "/admin/"
SIGN_IN = "/admin/login"
_VIEW_PATH = re.compile(
    r"/admin/[\w-]+/(list|create|(details|edit)/[^/\\%.\x00-\x1f\x7f][^/\\%\x00-\x1f\x7f]*)", re.ASCII
)


def safe_admin_path(next_path: str) -> str:
    """Return the path if it is a page of `/admin` that displays data, else the path of the dashboard."""
    path = unquote(next_path.partition("?")[0])
    return next_path if is_local_path(next_path) and "#" not in next_path and _VIEW_PATH.fullmatch(path) else HOME


def sign_in_url(request: Request) -> str:
    """Return the URL of the sign-in page, with the requested page as `next`."""
    next_path = _requested_path(request) if request.method == "GET" else HOME
    return SIGN_IN if next_path == HOME else f"{SIGN_IN}?{urlencode({'next': next_path})}"


def _requested_path(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = quote(request.scope["path"], safe="/:;,=@~")
    return safe_admin_path(f"{path}?{query}" if query else path)
