"""Authenticates requests: finds the principal of an access token, API key or session cookie with one statement."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from msgspec.structs import replace
from starlette.requests import Request

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.authorization import Authorization, bind_authorization
from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.auth.principal import API_KEY_PREFIX, bearer_token
from undercroft.core.db import Database, Statement
from undercroft.core.db.errors import raise_translated_read
from undercroft.core.errors import Unauthorized
from undercroft.core.http import Surface
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.security.tokens import hash_token
from undercroft.modules.api_keys import ApiKeyLastUsed, parse_key
from undercroft.modules.auth.access_tokens import AccessTokens
from undercroft.modules.auth.api_key_auth import VerifiedKeyCache, principal_from_api_key
from undercroft.modules.auth.client import client_ip
from undercroft.modules.auth.cookies import CsrfTokens, cookie_name, require_same_site
from undercroft.modules.auth.device import read_device
from undercroft.modules.auth.errors import InvalidApiKey, InvalidToken, SessionEnded
from undercroft.modules.auth.external import ExternalAccounts
from undercroft.modules.auth.last_seen import LastSeen
from undercroft.modules.auth.principals import LOCAL_STATEMENTS, PrincipalStatements, TeamStatements, lock_principal
from undercroft.modules.teams import TeamNotFound

NO_TEAM = UUID(int=0)
PROVIDER = "provider"
"""The second factor of a user whose identity provider verified one."""


class TokenAuthenticator:
    """The `Authenticator` implementation. If an Authorization header is present, cookies are ignored."""

    def __init__(
        self, database: Database, tokens: AccessTokens, last_seen: LastSeen, last_used: ApiKeyLastUsed
    ) -> None:
        self.tokens = tokens
        self.csrf = CsrfTokens()
        self._database = database
        self._last_seen = last_seen
        self._last_used = last_used
        self._verified_keys = VerifiedKeyCache()
        self._cookie_name = cookie_name()
        self._statements = LOCAL_STATEMENTS
        self.external: ExternalAccounts | None = None

    def bind_external(self, accounts: ExternalAccounts) -> None:
        """Accept the tokens of an external identity provider, and only users that it knows."""
        self.external = accounts
        self._statements = PrincipalStatements(accounts.issuer, accounts.user_conditions)

    async def authenticate(self, request: Request) -> Principal:
        """Return the principal of a request. Raises `Unauthorized`, `CsrfFailed` and `TeamNotFound`."""
        return await self._bind_principal(partial(self._authenticate, request))

    async def _authenticate(self, request: Request) -> Principal:
        if _header(request, b"authorization") is not None:
            token = bearer_token(request)
            if token is None:
                raise InvalidToken
            return await (self._authenticate_api_key if token.startswith(API_KEY_PREFIX) else self._authenticate_token)(
                request, token
            )
        return await self._authenticate_cookie(
            request, self._session_secret(request), _header(request, b"x-csrf-token")
        )

    async def authenticate_form(self, request: Request, csrf_token: str) -> Principal:
        """Return the principal of a form post that is authenticated by cookie and has the CSRF token as a field.

        Raises `Unauthorized`, `CsrfFailed` and `TeamNotFound`.
        """
        return await self._bind_principal(
            partial(self._authenticate_cookie, request, self._session_secret(request), csrf_token)
        )

    async def visitor(self, request: Request) -> Principal | None:
        """Return the principal of the session cookie; None without a valid one.

        A form that acts for this user has the session's CSRF token as a field: `csrf.issue`, `csrf.require`.
        """
        try:
            return await self._bind_principal(partial(self._find_by_cookie, request, self._session_secret(request)))
        except Unauthorized:
            return None

    async def caller_id(self, request: Request) -> UUID | None:
        """Return the user of an optionally authenticated request; None for API keys and impersonation.

        Raises `Unauthorized` for an invalid Authorization header.
        """
        has_header = _header(request, b"authorization") is not None
        principal = await (self.authenticate(request) if has_header else self.visitor(request))
        if principal is None or principal.api_key_id is not None or principal.impersonator_id is not None:
            return None
        return principal.user_id_or_none

    def known_device(self, request: Request) -> str | None:
        """Return a hash of the account that signed in last on the device, so that its devices share one rate limit."""
        return read_device(request).latest_account

    def verified_subject(self, request: Request) -> str | None:
        """Return the user ID of a token with a valid signature, or the prefix of an API key that was valid before.

        None for cookies and for keys that this process has not seen yet, because they need the database.
        """
        token = bearer_token(request)
        if token is None:
            return None
        if token.startswith(API_KEY_PREFIX):
            return self._verified_keys.get_prefix(token)
        if self.external is not None:
            return self.external.subject(token)
        claims = self.tokens.verify_offline(token)
        return str(claims.sub) if claims else None

    async def _authenticate_api_key(self, request: Request, text: str) -> Principal:
        presented = parse_key(text)
        if presented is None:
            raise InvalidApiKey
        team = _requested_team(request)
        named = None if team is None else _team_id(team)
        if named is None:
            row = await self._fetch_row(self._statements.key.personal, {"prefix": presented.prefix})
        else:
            row = await self._fetch_row(self._statements.key.named, {"prefix": presented.prefix, "team_id": named})
        try:
            principal = principal_from_api_key(row, presented.hash, named)
        except Unauthorized:
            self._verified_keys.discard(presented.hash)
            raise
        assert row is not None
        self._verified_keys.add(presented.hash, presented.prefix)
        self._last_used.record_use(row["api_key_id"], client_ip(request))
        return principal

    async def _authenticate_token(self, request: Request, token: str) -> Principal:
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

    async def _authenticate_external_token(self, accounts: ExternalAccounts, request: Request, token: str) -> Principal:
        bearer = await accounts.verify(token)
        try:
            principal = await self._load_principal(request, accounts.statements, bearer.values)
        except SessionEnded:
            await accounts.provision_user(bearer)
            principal = await self._load_principal(request, accounts.statements, bearer.values)
        await accounts.sync_claims(bearer, principal)
        principal = replace(principal, proven_at=bearer.proven_at, impersonator_id=bearer.impersonator_id)
        if not bearer.passed_mfa:
            return principal
        factors = (*principal.second_factors, PROVIDER)
        return replace(principal, second_factors=factors, passed_mfa=True, mfa_blocked=False)

    async def authenticate_page(self, request: Request) -> Principal:
        """Return the principal of the cookie, for pages with forms: unsafe requests must be same-site, without a token.

        Raises like `authenticate`.
        """
        secret = self._session_secret(request)
        if request.method not in SAFE_METHODS:
            require_same_site(request)
        return await self._bind_principal(partial(self._find_by_cookie, request, secret))

    async def _bind_principal(self, find: Callable[[], Awaitable[Principal]]) -> Principal:
        """Find the principal, and register `find` to authorize it again before the commit if the request waited."""
        principal = await find()
        bind_authorization(Authorization(principal, find, lock_principal))
        return principal

    def _session_secret(self, request: Request) -> str:
        """Return the value of the session cookie. Raises `Unauthorized` without one, or if cookies are not accepted."""
        secret = request.cookies.get(self._cookie_name)
        if secret is None or (self.external is not None and not self.external.allows_cookies):
            raise Unauthorized
        return secret

    async def _authenticate_cookie(self, request: Request, secret: str, csrf_token: str | None) -> Principal:
        unsafe = request.method not in SAFE_METHODS
        if unsafe:
            require_same_site(request)
        principal = await self._find_by_cookie(request, secret)
        if unsafe:
            self.csrf.require(principal.session_id, csrf_token)
        return principal

    async def _find_by_cookie(self, request: Request, secret: str) -> Principal:
        return await self._load_principal(request, self._statements.cookie, {"cookie_hash": hash_token(secret)})

    async def _load_principal(self, request: Request, statements: TeamStatements, values: dict[str, Any]) -> Principal:
        team = _requested_team(request)
        if team is None:
            row = await self._fetch_row(statements.personal, values)
        else:
            row = await self._fetch_row(statements.named, {**values, "team_id": _team_id(team)})
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
            proven_at=row["proven_at"],
            second_factors=tuple(row["second_factors"]),
            passed_mfa=passed_mfa,
            mfa_blocked=row["require_mfa"] and not passed_mfa,
            impersonator_id=row["impersonator_id"],
        )

    async def _fetch_row(self, statement: Statement, values: dict[str, Any]) -> asyncpg.Record | None:
        try:
            return await self._database.read.fetchrow(statement, **values)
        except Exception as error:
            raise_translated_read(error)


def _header(request: Request, name: bytes) -> str | None:
    """Return a header, from the dict that the outermost middleware stored."""
    value = request.scope["state"]["request_headers"].get(name)
    return value.decode("latin-1") if value is not None else None


def _requested_team(request: Request) -> str | None:
    """Return the team in the path of an `app` route, else that of the `X-Team-ID` header."""
    in_path: str | None = request.scope.get("path_params", {}).get("team_id")
    if in_path is None or not request.scope["state"]["route_template"].startswith(Surface.APP.prefix):
        return _header(request, b"x-team-id")
    return in_path


def _team_id(value: str) -> UUID:
    """Parse the ID. An invalid one becomes `NO_TEAM`, so that it fails like the ID of an unknown team."""
    try:
        return UUID(value)
    except ValueError:
        return NO_TEAM
