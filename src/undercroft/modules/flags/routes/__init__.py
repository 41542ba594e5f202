"""Routes of feature flags."""

from undercroft.modules.flags.routes.admin import admin
from undercroft.modules.flags.routes.app import app

__all__ = ["admin", "app"]
