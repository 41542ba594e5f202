"""Settings of passkeys."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field

from undercroft.core.settings import CoreSettings, SettingsBase, load


class MfaSettings(SettingsBase):
    section = "Two-factor authentication"

    passkey_domain: str = Field(
        "",
        max_length=253,
        description="Domain for which passkeys are created (WebAuthn RP ID). Default: the host of PUBLIC_URL. Existing "
        "passkeys stop working when it changes.",
    )
    passkey_origins: list[str] = Field(
        [],
        description='Origins besides PUBLIC_URL that may use passkeys of that domain: ["https://app.example.com"].',
    )

    @property
    def domain(self) -> str:
        return self.passkey_domain or _domain(urlsplit(load(CoreSettings).public_url).hostname or "localhost")

    @property
    def origins(self) -> list[str]:
        public = urlsplit(load(CoreSettings).public_url)
        port = f":{public.port}" if public.port else ""
        own = {f"{public.scheme}://{public.netloc}", f"{public.scheme}://{_domain(public.hostname or '')}{port}"}
        return [*sorted(own), *self.passkey_origins]


def _domain(host: str) -> str:
    """Return the host, or `localhost` for a loopback address: browsers create no passkeys for IP addresses."""
    try:
        return "localhost" if ip_address(host).is_loopback else host
    except ValueError:
        return host
