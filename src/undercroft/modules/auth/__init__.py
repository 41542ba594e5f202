"""Authentication: accounts, sessions, tokens, and the keys that sign them.

Modules with other sign-in methods verify the user and then call `start_session`.
"""

from undercroft.core import Module
from undercroft.modules.auth import browser
from undercroft.modules.auth.captcha import captcha_context, require_form_captcha
from undercroft.modules.auth.client import Client, CurrentClient
from undercroft.modules.auth.cookies import (
    clear_session_cookie,
    cookie_name,
    is_secure,
    refuse_cross_site,
)
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.disposable_email import DisposableEmail, require_permanent_email
from undercroft.modules.auth.emails import (
    MAGIC_LINK_PAGE,
    RESEND_PAGE,
    RESET_PAGE,
    VERIFICATION_SENT_PAGE,
    format_duration,
    page_url,
)
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
from undercroft.modules.auth.external import LocalAccountsOff, VerifiedToken, require_local_accounts
from undercroft.modules.auth.first_factor import FirstFactor, SignedIn
from undercroft.modules.auth.magic_links import request_link as request_magic_link
from undercroft.modules.auth.magic_links import sign_in as sign_in_by_link
from undercroft.modules.auth.models import AuthSession, SessionKind
from undercroft.modules.auth.principals import TeamStatements, principal_statements
from undercroft.modules.auth.recovery import revoke_sign_ins
from undercroft.modules.auth.registration import register
from undercroft.modules.auth.responses import (
    CHECK_EMAIL_MESSAGE,
    LINK_SENT_MESSAGE,
    SIGN_IN,
    build_sign_in_response,
    get_mailbox_actions,
    issue_token_pair,
    refuse_cross_site_cookie,
)
from undercroft.modules.auth.schemas import CookieSession, Kind, Password, Token, TokenPair
from undercroft.modules.auth.second_factor import SecondFactorProvider
from undercroft.modules.auth.second_factor import bind as bind_second_factor
from undercroft.modules.auth.second_factor import bind_page as bind_second_factor_page
from undercroft.modules.auth.second_factor import render_challenge_page as second_factor_page
from undercroft.modules.auth.services import AuthServices, AuthServicesDep
from undercroft.modules.auth.sessions import (
    StartedSession,
    end_session,
    lock_active_session,
    mark_session_reauthenticated,
    reset_passed_mfa,
    revoke_session,
    revoke_sessions,
    start_impersonation,
    start_session,
)
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.auth.verified_registration import register_verified

MODULE = Module(requires=("users", "teams", "api_keys"))

__all__ = [
    "CHECK_EMAIL_MESSAGE",
    "LINK_SENT_MESSAGE",
    "MAGIC_LINK_PAGE",
    "MODULE",
    "RESEND_PAGE",
    "RESET_PAGE",
    "SIGN_IN",
    "VERIFICATION_SENT_PAGE",
    "AuthServices",
    "AuthServicesDep",
    "AuthSession",
    "AuthSettings",
    "Client",
    "CookieSession",
    "CsrfFailed",
    "CurrentClient",
    "DisposableEmail",
    "FirstFactor",
    "InvalidCredentials",
    "InvalidToken",
    "Kind",
    "LinkInvalid",
    "LinkOfAnotherDevice",
    "LocalAccountsOff",
    "MfaRequired",
    "NameInvalid",
    "Password",
    "SecondFactorProvider",
    "SessionKind",
    "SignedIn",
    "StartedSession",
    "TeamStatements",
    "Token",
    "TokenExpired",
    "TokenPair",
    "TooManyAttempts",
    "VerifiedToken",
    "WrongPassword",
    "bind_second_factor",
    "bind_second_factor_page",
    "browser",
    "build_sign_in_response",
    "captcha_context",
    "clear_session_cookie",
    "cookie_name",
    "end_session",
    "format_duration",
    "get_mailbox_actions",
    "is_secure",
    "issue_token_pair",
    "lock_active_session",
    "mark_session_reauthenticated",
    "page_url",
    "principal_statements",
    "refuse_cross_site",
    "refuse_cross_site_cookie",
    "register",
    "register_verified",
    "request_magic_link",
    "require_form_captcha",
    "require_local_accounts",
    "require_permanent_email",
    "reset_passed_mfa",
    "revoke_session",
    "revoke_sessions",
    "revoke_sign_ins",
    "second_factor_page",
    "set_device_cookie",
    "sign_in_by_link",
    "start_impersonation",
    "start_session",
]
