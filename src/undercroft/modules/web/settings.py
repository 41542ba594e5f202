"""Settings of the pages."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class WebSettings(SettingsBase):
    section = "Pages"

    sign_in_target: str = Field(
        "",
        pattern=r"^(/([^/\\\s][^\\\s]*)?)?$",
        description="Path to which users are redirected after sign-in, unless they came from another page. Default: "
        "the console, or the welcome page without it.",
    )
