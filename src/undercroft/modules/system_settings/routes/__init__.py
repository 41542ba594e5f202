"""Routes of system settings."""

from undercroft.modules.system_settings.routes.admin import admin
from undercroft.modules.system_settings.routes.public import public

__all__ = ["admin", "public"]
