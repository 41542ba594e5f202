"""Routes of sign-in and the user's account."""

from undercroft.modules.auth.routes.account import account, credentials
from undercroft.modules.auth.routes.admin import admin
from undercroft.modules.auth.routes.sign_in import magic_links, sign_in

__all__ = ["account", "admin", "credentials", "magic_links", "sign_in"]
