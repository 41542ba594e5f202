"""Where the pages of signing in lead to."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class SignInPageSettings(SettingsBase):
    section = "Pages"

    sign_in_target: str = Field(
        "/",
        pattern=r"^/([^/\\\s][^\\\s]*)?$",
        description="The path that people see after signing in on the page, unless they came from another one.",
    )
