"""Settings of the sign-in pages."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class SignInPageSettings(SettingsBase):
    section = "Pages"

    sign_in_target: str = Field(
        "/",
        pattern=r"^/([^/\\\s][^\\\s]*)?$",
        description="Path to which users are redirected after sign-in, unless they came from another page.",
    )
