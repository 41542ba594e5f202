"""The redirect target after sign-in, restricted to paths of this site."""

from undercroft.core.http.local_paths import is_local_path
from undercroft.core.settings import load
from undercroft.modules.sign_in_pages.settings import SignInPageSettings


def safe_next_path(next_path: str) -> str:
    """Return the path if it is a local path, else SIGN_IN_TARGET."""
    return next_path if is_local_path(next_path) else load(SignInPageSettings).sign_in_target
