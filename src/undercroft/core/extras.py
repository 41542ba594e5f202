"""Optional dependencies of Undercroft, which its extras install."""

from importlib.util import find_spec

from undercroft.core.errors import ConfigurationError


def is_installed(package: str) -> bool:
    """Whether a package can be imported. Does not import it."""
    return find_spec(package) is not None


def require_extra(package: str, extra: str, reason: str) -> None:
    """Raise `ConfigurationError`, which begins with the reason, if a package of an extra is not installed."""
    if not is_installed(package):
        raise ConfigurationError(f"{reason}. Install it with: pip install 'undercroft[{extra}]'")
