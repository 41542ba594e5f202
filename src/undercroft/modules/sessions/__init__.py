"""Sessions: start, refresh, revoke and verify them; access tokens, signing keys, cookies and the principal.

Modules with sign-in methods verify the user and then call `SessionService.start`. They build on many parts of sessions,
so it exports more than 25 names. It has more than 2,000 lines because one statement finds the principal of a request
with its session, cookie or token.
"""

from undercroft.core import Module, RequestHeader
from undercroft.modules.sessions.dependencies import (
    CurrentClient,
    SessionServicesDep,
    get_authenticator,
    require_local_accounts,
)
from undercroft.modules.sessions.errors import (
    BearerTokenError,
    CsrfFailed,
    ImpersonationEnded,
    InvalidToken,
    LocalAccountsOff,
    MfaRequired,
    TokenExpired,
)
from undercroft.modules.sessions.events import SignedIn
from undercroft.modules.sessions.hooks import SignIn, TokenClaims, decide_claims
from undercroft.modules.sessions.models import USER_AGENT_LENGTH, AuthSession, SessionKind
from undercroft.modules.sessions.repository.principals import TeamStatements, UserConditions, principal_statements
from undercroft.modules.sessions.repository.sessions import SessionRepository
from undercroft.modules.sessions.schemas import Kind, SignInResponse, Token, TokenPair, security_schemes
from undercroft.modules.sessions.service.client import Client, Device, client_ip, current_client
from undercroft.modules.sessions.service.components import SessionServices, build_sign_in_response, issue_token_pair
from undercroft.modules.sessions.service.cookies import (
    IMPERSONATION_COOKIE,
    SESSION_COOKIE,
    EncryptedCookie,
    clear_session_cookies,
    refuse_cross_site,
    require_same_site,
    set_impersonation_cookie,
)
from undercroft.modules.sessions.service.current_team import TEAM_HEADER, requested_team_id
from undercroft.modules.sessions.service.interfaces import (
    ChallengePage,
    FirstFactor,
    SecondFactorProvider,
    VerifiedToken,
    render_challenge_page,
)
from undercroft.modules.sessions.service.sessions import SessionService, StartedSession, ensure_local_accounts
from undercroft.modules.sessions.service.signing_keys import SigningKeyService

MODULE = Module(
    requires=("users", "teams"),
    security_schemes=security_schemes,
    request_headers=(RequestHeader("X-CSRF-Token"), TEAM_HEADER),
)

__all__ = [
    "IMPERSONATION_COOKIE",
    "MODULE",
    "SESSION_COOKIE",
    "USER_AGENT_LENGTH",
    "AuthSession",
    "BearerTokenError",
    "ChallengePage",
    "Client",
    "CsrfFailed",
    "CurrentClient",
    "Device",
    "EncryptedCookie",
    "FirstFactor",
    "ImpersonationEnded",
    "InvalidToken",
    "Kind",
    "LocalAccountsOff",
    "MfaRequired",
    "SecondFactorProvider",
    "SessionKind",
    "SessionRepository",
    "SessionService",
    "SessionServices",
    "SessionServicesDep",
    "SignIn",
    "SignInResponse",
    "SignedIn",
    "SigningKeyService",
    "StartedSession",
    "TeamStatements",
    "Token",
    "TokenClaims",
    "TokenExpired",
    "TokenPair",
    "UserConditions",
    "VerifiedToken",
    "build_sign_in_response",
    "clear_session_cookies",
    "client_ip",
    "current_client",
    "decide_claims",
    "ensure_local_accounts",
    "get_authenticator",
    "issue_token_pair",
    "principal_statements",
    "refuse_cross_site",
    "render_challenge_page",
    "requested_team_id",
    "require_local_accounts",
    "require_same_site",
    "set_impersonation_cookie",
]
