"""Routes of sign-in, sessions and the user's account."""

from undercroft.modules.auth.routes.account import account, passwords
from undercroft.modules.auth.routes.admin import admin
from undercroft.modules.auth.routes.keys import keys
from undercroft.modules.auth.routes.magic_links import magic_links
from undercroft.modules.auth.routes.sessions import sessions
from undercroft.modules.auth.routes.sign_in import sign_in

__all__ = ["account", "admin", "keys", "magic_links", "passwords", "sessions", "sign_in"]
