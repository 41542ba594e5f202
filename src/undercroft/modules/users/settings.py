"""Settings of demo accounts."""

from collections.abc import Iterator

from pydantic import Field, SecretStr

from undercroft.core.settings import SettingsBase

DEMO_EMAIL = "demo@example.com"
"""Address of the account that owns the demo data."""


class DemoSettings(SettingsBase):
    section = "Demo accounts"

    demo_password: SecretStr = Field(
        SecretStr(""),
        description="Password of the demo accounts in development; `undercroft dev` generates and prints one.",
    )

    def production_errors(self) -> Iterator[str]:
        if self.demo_password.get_secret_value():
            yield "DEMO_PASSWORD must not be set: demo accounts are for development only."
