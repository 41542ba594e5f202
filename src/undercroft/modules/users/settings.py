"""Demo accounts."""

from collections.abc import Iterator

from pydantic import Field, SecretStr

from undercroft.core.settings import SettingsBase

DEMO_EMAIL = "demo@example.com"
"""The account that demo data belongs to."""


class DemoSettings(SettingsBase):
    section = "Demo accounts"

    demo_password: SecretStr = Field(
        SecretStr(""),
        description="Password of the demo accounts in development; `undercroft dev` makes one up and prints it.",
    )

    def production_errors(self) -> Iterator[str]:
        if self.demo_password.get_secret_value():
            yield "DEMO_PASSWORD must not be set: demo accounts belong to development."
