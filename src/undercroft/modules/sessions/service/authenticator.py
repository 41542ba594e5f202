"""Authenticates requests: finds the principal of an access token or session cookie with one statement."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from starlette.requests import HTTPConnection

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.authorization import Authorization
from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.auth.principal import API_KEY_PREFIX, ImpersonationForbidden, bearer_token
from undercroft.core.db import Database, Session
from undercroft.core.db.entity_fields import entity_fields
from undercroft.core.db.reauthorization import bind_reauthorization
from undercroft.core.errors import Unauthorized
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.security.tokens import hash_token
from undercroft.modules.sessions.errors import ImpersonationEnded, InvalidToken, SessionEnded
from undercroft.modules.sessions.repository.principals import (
    PrincipalStatements,
    TeamStatements,
    local_statements,
    lock_principal,
)
from undercroft.modules.sessions.repository.sessions import LastSeen
from undercroft.modules.sessions.service.access_tokens import AccessTokens
from undercroft.modules.sessions.service.client import client_ip, read_device
from undercroft.modules.sessions.service.cookies import (
    IMPERSONATION_COOKIE,
    SESSION_COOKIE,
    CsrfTokens,
    require_same_site,
)
from undercroft.modules.sessions.service.current_team import requested_team_id
from undercroft.modules.sessions.service.interfaces import ApiKeys, ExternalAccounts
from undercroft.modules.teams import TeamNotFound, is_mfa_blocked
from undercroft.modules.users import User

PROVIDER = "provider"
"""The second factor of a user whose identity provider verified one."""


class TokenAuthenticator:
    """The `Authenticator` implementation. If an Authorization header is present, cookies are ignored."""

    def __init__(self, database: Database, tokens: AccessTokens, last_seen: LastSeen) -> None:
        self.tokens = tokens
        self.csrf = CsrfTokens()
        self._database = database
        self._last_seen = last_seen
        self._api_keys: ApiKeys | None = None
        self._cookie_name = SESSION_COOKIE.name
        self._impersonation_cookie_name = IMPERSONATION_COOKIE.name
        self._fields = entity_fields(User)
        self._statements = local_statements(self._fields)
        self.external: ExternalAccounts | None = None

    def bind_external(self, accounts: ExternalAccounts) -> None:
        """Accept the tokens of an external identity provider, and only users that it knows."""
        self.external = accounts
        self._statements = PrincipalStatements(accounts.issuer, accounts.user_conditions, self._fields)
        if self._api_keys is not None:
            self._api_keys.limit_users(accounts.user_conditions)

    def bind_api_keys(self, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal of a request. Raises `Unauthorized`, `CsrfFailed` and `TeamNotFound`."""
        return await self._bind_principal(partial(self._authenticate, request))

    async def _authenticate(self, request: HTTPConnection) -> Principal:
        if _header(request, b"authorization") is not None:
            token = bearer_token(request)
            if token is None:
                raise InvalidToken
            if self._api_keys is not None and token.startswith(API_KEY_PREFIX):
                return await self._api_keys.authenticate(request, token)
            return await self._authenticate_token(request, token)
        return await self._authenticate_cookie(
            request, self._session_secret(request), _header(request, b"x-csrf-token")
        )

    async def authenticate_form(
        self, request: HTTPConnection, csrf_token: str, *, impersonation: bool = False
    ) -> Principal:
        """Return the principal of a form post that is authenticated by cookie and has the CSRF token as a field.

        `impersonation` accepts administrators who impersonate the user. Raises `Unauthorized`, `CsrfFailed`,
        `ImpersonationForbidden` and `TeamNotFound`.
        """
        principal = await self._bind_principal(
            partial(self._authenticate_cookie, request, self._session_secret(request), csrf_token)
        )
        return _as_user(principal, impersonation=impersonation)

    async def visitor(self, request: HTTPConnection, *, impersonation: bool = False) -> Principal | None:
        """Return the principal of the session cookie; None without a valid one.

        A form that acts for this user has the session's CSRF token as a field: `csrf.issue`, `csrf.require`. In an
        unsafe request, raises `ImpersonationForbidden` for an administrator who impersonates the user, unless
        `impersonation` accepts them.
        """
        try:
            secret = self._session_secret(request)
            principal = await self._bind_principal(partial(self._find_by_cookie, request, secret))
        except Unauthorized:
            return None
        return _as_user(principal, impersonation=impersonation or request.scope.get("method") in SAFE_METHODS)

    async def caller_id(self, request: HTTPConnection) -> UUID | None:
        """Return the user of an optionally authenticated request; None for API keys and impersonation.

        Raises `Unauthorized` for an invalid Authorization header.
        """
        has_header = _header(request, b"authorization") is not None
        principal = await (self.authenticate(request) if has_header else self.visitor(request, impersonation=True))
        if principal is None or principal.api_key_id is not None or principal.impersonator_id is not None:
            return None
        return principal.user_id_or_none

    def known_device(self, request: HTTPConnection) -> str | None:
        """Return a hash of the account that signed in last on the device, so that its devices share one rate limit."""
        return read_device(request).latest_account

    def verified_subject(self, request: HTTPConnection) -> str | None:
        """Return the user ID of a token with a valid signature, or the prefix of an API key that was valid before.

        None for cookies and for keys that this process has not seen yet, because they need the database.
        """
        token = bearer_token(request)
        if token is None:
            return None
        if self._api_keys is not None and token.startswith(API_KEY_PREFIX):
            return self._api_keys.verified_subject(token)
        if self.external is not None:
            return self.external.subject(token)
        claims = self.tokens.verify_offline(token)
        return str(claims.sub) if claims else None

    async def _authenticate_token(self, request: HTTPConnection, token: str) -> Principal:
        if self.external is None:
            claims = await self.tokens.verify(token)
        else:
            known = self.tokens.verify_offline(token)
            if known is None or known.act is None:
                return await self._authenticate_external_token(self.external, request, token)
            claims = known
        values = {"session_id": claims.sid, "user_id": claims.sub}
        if claims.act is not None:
            return await self._load_principal(request, self._statements.impersonated, values)
        return await self._load_principal(request, self._statements.bearer, values)

    async def _authenticate_external_token(
        self, accounts: ExternalAccounts, request: HTTPConnection, token: str
    ) -> Principal:
        bearer = await accounts.verify(token)
        try:
            principal = await self._load_principal(request, accounts.statements, bearer.values)
        except SessionEnded:
            await accounts.provision_user(bearer)
            principal = await self._load_principal(request, accounts.statements, bearer.values)
        await accounts.sync_claims(bearer, principal)
        principal = replace(
            principal, reauthenticated_at=bearer.reauthenticated_at, impersonator_id=bearer.impersonator_id
        )
        if not bearer.passed_mfa:
            return principal
        factors = (*principal.second_factors, PROVIDER)
        return replace(principal, second_factors=factors, passed_mfa=True, mfa_blocked=False)

    async def authenticate_page(self, request: HTTPConnection, *, impersonation: bool = False) -> Principal:
        """Return the principal of the cookie, for pages with forms: unsafe requests must be same-site, without a token.

        `impersonation` accepts administrators who impersonate the user. Raises like `authenticate`, and
        `ImpersonationForbidden`.
        """
        secret = self._session_secret(request)
        if request.scope.get("method") not in SAFE_METHODS:
            require_same_site(request)
        principal = await self._bind_principal(partial(self._find_by_cookie, request, secret))
        return _as_user(principal, impersonation=impersonation)

    async def _bind_principal(self, find: Callable[[], Awaitable[Principal]]) -> Principal:
        """Find the principal, and register `find` to authorize it again before the commit if the request waited."""
        principal = await find()
        bind_reauthorization(Authorization(principal, find, self._lock))
        return principal

    async def _lock(self, session: Session, principal: Principal) -> None:
        if principal.api_key_id is not None and self._api_keys is not None:
            await self._api_keys.lock(session, principal.api_key_id)
        await lock_principal(session, principal)

    def _session_secret(self, request: HTTPConnection) -> str:
        """Return the value of the session cookie. Raises `Unauthorized` without one, or if cookies are not accepted."""
        secret = request.cookies.get(self._cookie_name)
        if secret is None or (self.external is not None and not self.external.allows_cookies):
            raise Unauthorized
        return secret

    async def _authenticate_cookie(self, request: HTTPConnection, secret: str, csrf_token: str | None) -> Principal:
        unsafe = request.scope.get("method") not in SAFE_METHODS
        if unsafe:
            require_same_site(request)
        principal = await self._find_by_cookie(request, secret)
        # Pages cannot add headers to a WebSocket, but browsers always send its Origin.
        if unsafe and request.scope["type"] == "http":
            self.csrf.require(principal.session_id, csrf_token)
        return principal

    async def _find_by_cookie(self, request: HTTPConnection, secret: str) -> Principal:
        impersonation = request.cookies.get(self._impersonation_cookie_name)
        if not impersonation:  # some clients keep a cookie that was cleared, without a value
            return await self._load_principal(request, self._statements.cookie, {"cookie_hash": hash_token(secret)})
        values = {"cookie_hash": hash_token(impersonation), "own_cookie_hash": hash_token(secret)}
        try:
            return await self._load_principal(request, self._statements.impersonated_cookie, values)
        except SessionEnded:
            raise ImpersonationEnded from None

    async def _load_principal(
        self, request: HTTPConnection, statements: TeamStatements, values: dict[str, Any]
    ) -> Principal:
        row = await statements.fetchrow(self._database, requested_team_id(request), **values)
        if row is None:
            raise SessionEnded
        if row["team_id"] is None:
            raise TeamNotFound
        if row["session_id"] is not None and row["impersonator_id"] is None:
            self._last_seen.record_use(row["session_id"], client_ip(request))
        passed_mfa = row["passed_mfa"] and bool(row["second_factors"])
        return Principal(
            user_id_or_none=row["user_id"],
            session_id_or_none=row["session_id"],
            role=PlatformRole(row["role"]),
            team_id=row["team_id"],
            permissions=resolve_permissions(row["team_role"], row["team_grants"]),
            subject=row,
            team_role=row["team_role"],
            reauthenticated_at=row["reauthenticated_at"],
            second_factors=tuple(row["second_factors"]),
            passed_mfa=passed_mfa,
            mfa_blocked=is_mfa_blocked(row, passed_mfa=passed_mfa),
            impersonator_id=row["impersonator_id"],
        )


def _as_user(principal: Principal, *, impersonation: bool) -> Principal:
    if principal.impersonator_id is not None and not impersonation:
        raise ImpersonationForbidden
    return principal


def _header(request: HTTPConnection, name: bytes) -> str | None:
    """Return a header, from the dict that the outermost middleware stored."""
    value = request.scope["state"]["request_headers"].get(name)
    return value.decode("latin-1") if value is not None else None
