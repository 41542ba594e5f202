"""The emulators that `undercroft dev --with NAME` starts, and the settings that point to them."""

from undercroft.core.errors import ConfigurationError
from undercroft.devstack.state import DevState

EMULATORS = ("oidc",)


def require_known(name: str) -> None:
    """Raise `ConfigurationError` if there is no emulator with this name."""
    if name not in EMULATORS:
        raise ConfigurationError(f"There is no emulator {name!r}. Available: {', '.join(EMULATORS)}.")


def settings_of(name: str, state: DevState) -> dict[str, str]:
    """Return the settings that point to an emulator."""
    oidc = {
        "OIDC_ISSUER": f"http://127.0.0.1:{state.oidc_port}",
        "OIDC_CLIENT_ID": "undercroft",
        "OIDC_CLIENT_SECRET": "emulator secret",
        "OIDC_NAME": "OIDC emulator",
    }
    return {"oidc": oidc}[name]


def port_of(name: str, state: DevState) -> int:
    port: int = getattr(state, f"{name}_port")
    return port
