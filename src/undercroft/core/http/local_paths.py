"""Detect paths that a browser would resolve to another site."""

MAX_PATH_LENGTH = 2000


def is_local_path(path: str) -> bool:
    """Whether a redirect to this path stays on this site.

    Browsers treat `//host` and `/\\host` as other sites and remove tabs and line ends before they parse a URL.
    """
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return is_path and len(path) <= MAX_PATH_LENGTH and path.isascii() and path.isprintable() and " " not in path
