"""Settings of the admin interface."""

from pydantic import Field

from undercroft.core.settings import SettingsBase


class AdminUiSettings(SettingsBase):
    section = "Administration"

    admin_ui: bool = Field(True, description="Serve `/admin` in processes that serve the admin surface.")
