"""Signing in and staying signed in: accounts, sessions, tokens, and the keys that sign them.

Other ways to sign in prove who somebody is and then call `start_session`.
"""

from undercroft.modules.auth import browser
from undercroft.modules.auth.answers import (
    CHECK_EMAIL,
    SENT,
    SIGN_IN,
    development_mailbox,
    require_own_page,
    signed_in,
    token_pair,
)
from undercroft.modules.auth.client import Client, CurrentClient
from undercroft.modules.auth.cookies import (
    clear_session_cookie,
    cookie_name,
    is_secure,
    refuse_cross_site,
)
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.disposable import DisposableAddress, require_lasting
from undercroft.modules.auth.errors import (
    CsrfFailed,
    InvalidCredentials,
    InvalidToken,
    LinkInvalid,
    LinkOfAnotherDevice,
    MfaRequired,
    NameInvalid,
    TokenExpired,
    TooManyAttempts,
    WrongPassword,
)
from undercroft.modules.auth.external import Bearer, LocalAccountsOff, require_local_accounts
from undercroft.modules.auth.first_step import FirstStep, SignedIn
from undercroft.modules.auth.human import captcha_of, require_human_at_form
from undercroft.modules.auth.identity import Identity, IdentityDep
from undercroft.modules.auth.magic_links import ask as ask_for_link
from undercroft.modules.auth.magic_links import sign_in as sign_in_by_link
from undercroft.modules.auth.mailing import MAGIC_PAGE, RESEND_PAGE, RESET_PAGE, SENT_PAGE, in_words, link
from undercroft.modules.auth.models import AuthSession, SessionKind
from undercroft.modules.auth.principals import Pair, principal_statements
from undercroft.modules.auth.proven import register_proven
from undercroft.modules.auth.recovery import revoke_sign_ins
from undercroft.modules.auth.registration import register
from undercroft.modules.auth.schemas import CookieSession, Kind, Password, Token, TokenPair
from undercroft.modules.auth.second_factor import SecondFactor
from undercroft.modules.auth.second_factor import bind as bind_second_factor
from undercroft.modules.auth.second_factor import bind_page as bind_second_factor_page
from undercroft.modules.auth.second_factor import page_for as second_factor_page
from undercroft.modules.auth.sessions import (
    Started,
    end_session,
    prove_session,
    reset_passed_mfa,
    revoke_session,
    revoke_sessions,
    session_lives,
    start_impersonation,
    start_session,
)
from undercroft.modules.auth.settings import AuthSettings

REQUIRES = ("users", "teams", "api_keys")

__all__ = [
    "CHECK_EMAIL",
    "MAGIC_PAGE",
    "REQUIRES",
    "RESEND_PAGE",
    "RESET_PAGE",
    "SENT",
    "SENT_PAGE",
    "SIGN_IN",
    "AuthSession",
    "AuthSettings",
    "Bearer",
    "Client",
    "CookieSession",
    "CsrfFailed",
    "CurrentClient",
    "DisposableAddress",
    "FirstStep",
    "Identity",
    "IdentityDep",
    "InvalidCredentials",
    "InvalidToken",
    "Kind",
    "LinkInvalid",
    "LinkOfAnotherDevice",
    "LocalAccountsOff",
    "MfaRequired",
    "NameInvalid",
    "Pair",
    "Password",
    "SecondFactor",
    "SessionKind",
    "SignedIn",
    "Started",
    "Token",
    "TokenExpired",
    "TokenPair",
    "TooManyAttempts",
    "WrongPassword",
    "ask_for_link",
    "bind_second_factor",
    "bind_second_factor_page",
    "browser",
    "captcha_of",
    "clear_session_cookie",
    "cookie_name",
    "development_mailbox",
    "end_session",
    "in_words",
    "is_secure",
    "link",
    "principal_statements",
    "prove_session",
    "refuse_cross_site",
    "register",
    "register_proven",
    "require_human_at_form",
    "require_lasting",
    "require_local_accounts",
    "require_own_page",
    "reset_passed_mfa",
    "revoke_session",
    "revoke_sessions",
    "revoke_sign_ins",
    "second_factor_page",
    "session_lives",
    "set_device_cookie",
    "sign_in_by_link",
    "signed_in",
    "start_impersonation",
    "start_session",
    "token_pair",
]
