"""Where somebody goes on to after signing in: a page of ours, never of others."""

from undercroft.core.http.local_paths import is_local_path
from undercroft.core.settings import load
from undercroft.modules.sign_in_pages.settings import SignInPageSettings


def safe_next_path(next_path: str) -> str:
    """The path, if it is one of this site, else SIGN_IN_TARGET."""
    return next_path if is_local_path(next_path) else load(SignInPageSettings).sign_in_target
