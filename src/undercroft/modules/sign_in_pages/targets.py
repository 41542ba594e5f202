"""Where somebody goes on to after signing in: a page of ours, never of others."""

from undercroft.core.settings import load
from undercroft.modules.sign_in_pages.settings import SignInPageSettings

LONGEST = 2000


def local_path(wanted: str) -> str:
    """The path, if it is one of this site, else SIGN_IN_TARGET.

    Browsers take `//host` and `/\\host` for other sites and leave out tabs and line ends before they look.
    """
    if _is_local(wanted):
        return wanted
    return load(SignInPageSettings).sign_in_target


def _is_local(path: str) -> bool:
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return is_path and len(path) <= LONGEST and path.isascii() and path.isprintable() and " " not in path
