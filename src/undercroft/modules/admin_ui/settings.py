"""Whether there is a user interface for administrators."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class AdminUiSettings(SettingsBase):
    section = "Administration"

    admin_ui: bool = Field(True, description="Serve `/admin` where the admin surface is served.")
