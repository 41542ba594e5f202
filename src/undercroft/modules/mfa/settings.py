"""Where passkeys are good for."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field

from undercroft.core.settings import CoreSettings, SettingsBase, load


class MfaSettings(SettingsBase):
    section = "Two-step sign-in"

    passkey_domain: str = Field(
        "",
        max_length=253,
        description="The domain that passkeys are made for (WebAuthn's RP ID); PUBLIC_URL's host when empty. Passkeys "
        "of another domain stop working.",
    )
    passkey_origins: list[str] = Field(
        [],
        description='Pages besides PUBLIC_URL that may ask for passkeys of that domain: ["https://app.example.com"].',
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
    """The host; `localhost` for this machine's address, because browsers make no passkeys for addresses."""
    try:
        return "localhost" if ip_address(host).is_loopback else host
    except ValueError:
        return host
