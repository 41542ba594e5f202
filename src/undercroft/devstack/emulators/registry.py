"""The stand-ins that `undercroft dev --with NAME` starts, and what our programs are told of them."""

from collections.abc import Callable

from undercroft.core.errors import ConfigurationError
from undercroft.devstack.state import DevState


def _oidc(state: DevState) -> dict[str, str]:
    return {
        "OIDC_ISSUER": f"http://127.0.0.1:{state.oidc_port}",
        "OIDC_CLIENT_ID": "undercroft",
        "OIDC_CLIENT_SECRET": "stand-in secret",
        "OIDC_NAME": "Stand-in",
    }


EMULATORS: dict[str, Callable[[DevState], dict[str, str]]] = {"oidc": _oidc}


def require_known(name: str) -> None:
    """Raises `ConfigurationError` for a stand-in that there is not."""
    if name not in EMULATORS:
        raise ConfigurationError(f"There is no stand-in {name!r}. There are: {', '.join(EMULATORS)}.")


def settings_of(name: str, state: DevState) -> dict[str, str]:
    """The settings that lead to a stand-in."""
    return EMULATORS[name](state)


def port_of(name: str, state: DevState) -> int:
    port: int = getattr(state, f"{name}_port")
    return port
