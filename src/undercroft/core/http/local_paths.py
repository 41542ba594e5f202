"""Paths of this site, told from what a browser would take for another one."""

MAX_PATH_LENGTH = 2000


def is_local_path(path: str) -> bool:
    """Whether a browser that is sent there stays on this site.

    Browsers take `//host` and `/\\host` for other sites and leave out tabs and line ends before they look.
    """
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return is_path and len(path) <= MAX_PATH_LENGTH and path.isascii() and path.isprintable() and " " not in path
