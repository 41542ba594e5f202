"""Settings of the admin interface."""

from pydantic import Field

from undercroft.core.extras import is_installed, require_extra
from undercroft.core.settings import SettingsBase


class AdminSettings(SettingsBase):
    section = "Administration"

    admin_ui: bool | None = Field(
        None,
        description="Serve `/admin` in processes that serve the admin surface; if empty, only if SQLAdmin is installed "
        "(`undercroft[admin]`).",
    )

    @property
    def is_served(self) -> bool:
        """Whether to serve `/admin`. Raises `ConfigurationError` if it is required but SQLAdmin is not installed."""
        if self.admin_ui:
            require_extra("sqladmin", "admin", "ADMIN_UI=true needs SQLAdmin")
        return is_installed("sqladmin") if self.admin_ui is None else self.admin_ui
