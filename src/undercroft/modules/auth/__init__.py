"""Signing in and staying signed in: accounts, sessions, tokens, and the keys that sign them.

Other ways to sign in prove who somebody is and then call `start_session`.
"""

from undercroft.modules.auth.answers import SIGN_IN, require_own_page, signed_in, token_pair
from undercroft.modules.auth.client import Client, CurrentClient
from undercroft.modules.auth.cookies import is_secure, set_session_cookie
from undercroft.modules.auth.errors import CsrfFailed, InvalidToken, MfaRequired, TokenExpired
from undercroft.modules.auth.external import Bearer, LocalAccountsOff, require_local_accounts
from undercroft.modules.auth.identity import Identity, IdentityDep
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.principals import principal_statement
from undercroft.modules.auth.schemas import Kind, Token, TokenPair
from undercroft.modules.auth.sessions import Started, session_lives, start_session

REQUIRES = ("users", "teams", "api_keys")

__all__ = [
    "REQUIRES",
    "SIGN_IN",
    "Bearer",
    "Client",
    "CsrfFailed",
    "CurrentClient",
    "Identity",
    "IdentityDep",
    "InvalidToken",
    "Kind",
    "LocalAccountsOff",
    "MfaRequired",
    "SessionKind",
    "Started",
    "Token",
    "TokenExpired",
    "TokenPair",
    "is_secure",
    "principal_statement",
    "require_local_accounts",
    "require_own_page",
    "session_lives",
    "set_session_cookie",
    "signed_in",
    "start_session",
    "token_pair",
]
