"""Routes of sessions, tokens and signing keys."""

from functools import partial
from uuid import UUID

from fastapi import Request, Response

from undercroft.core.auth.principal import bearer_token
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.errors import Unauthorized
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Page, PageNumberQueryDep, Router, Tag
from undercroft.core.http.guards import current_principal
from undercroft.core.settings import load
from undercroft.modules.sessions.dependencies import CurrentClient, SessionServicesDep, require_local_accounts
from undercroft.modules.sessions.errors import (
    CsrfFailed,
    InvalidRefreshToken,
    LocalAccountsOff,
    SessionNotFound,
    TokenReused,
)
from undercroft.modules.sessions.schemas import (
    CsrfToken,
    JwkSet,
    RefreshRequest,
    SessionRead,
    SignedOut,
    SignOut,
    TokenPair,
)
from undercroft.modules.sessions.service.components import issue_token_pair
from undercroft.modules.sessions.service.cookies import clear_session_cookies
from undercroft.modules.sessions.service.sessions import SessionService
from undercroft.modules.sessions.settings import SessionSettings
from undercroft.modules.users import RoleTooWeak, UserNotFound

SESSIONS = Tag("Sessions", "Sessions of the current user.", group="Account")

keys = Router(surface="root", tag="Auth", include_in_schema=True)
tokens = Router(surface="auth", tag="Auth")
sessions = Router(surface="auth", prefix="/sessions", tag=SESSIONS)
admin = Router(surface="admin", prefix="/users/{user_id}", tag="Users")


@keys.get("/.well-known/jwks.json", response_model=JwkSet, summary="Get the JSON Web Key Set")
async def read_public_keys(services: SessionServicesDep) -> Response:
    """Returns the public keys as a JWK Set (RFC 7517).

    A key is listed before it signs tokens, and until the last token that it signed expires.
    """
    headers = {"Cache-Control": f"public, max-age={load(SessionSettings).jwks_cache_seconds}"}
    return Response(await services.keys.jwks(), media_type="application/json", headers=headers)


@tokens.post(
    "/refresh",
    audit=Audit(none_when="the session continues", on_failure=("refresh_token.reused",)),
    idempotency="never_store",
    summary="Refresh tokens",
    errors=(LocalAccountsOff, InvalidRefreshToken, TokenReused),
    dependencies=[require_local_accounts()],
)
async def refresh_tokens(body: RefreshRequest, client: CurrentClient, services: SessionServicesDep) -> TokenPair:
    """Returns a new token pair. The new refresh token replaces the one in the request.

    A retry within 10 seconds (`REFRESH_REUSE_INTERVAL`), for example after a lost response or from another tab, returns
    the same refresh token again. After that, reuse returns 401 `TOKEN_REUSED` and revokes the session.
    """
    started = await services.refresh_tokens.refresh(token=body.refresh_token.get_secret_value(), client=client)
    return await issue_token_pair(started)


@tokens.post(
    "/logout",
    status_code=204,
    audit=Audit("session.revoked", none_when="there is no session"),
    idempotency=Exempt("Revoking a session twice has no further effect."),
    impersonation=True,
    summary="Sign out",
    errors=(Unauthorized, CsrfFailed, LocalAccountsOff),
)
async def logout(request: Request, session: SessionDep, body: SignOut | None = None) -> Response:
    """Revokes the session of the refresh token or, without one, of the cookie or access token.

    An administrator who impersonates a user in a browser is signed out, too.
    """
    response = Response(status_code=204)
    if body is not None and body.refresh_token is not None:
        await SessionService(session).sign_out(body.refresh_token.get_secret_value())
        return response
    principal = await current_principal(request)
    if principal.session_id_or_none is None:
        raise LocalAccountsOff
    if bearer_token(request) is not None:
        await SessionService(session).revoke_own(principal, principal.session_id_or_none)
    else:
        await SessionService(session).sign_out_browser(principal)
    clear_session_cookies(response)
    return response


@tokens.get("/csrf", impersonation=True, summary="Get a CSRF token")
async def read_csrf_token(principal: CurrentPrincipal, services: SessionServicesDep) -> CsrfToken:
    """Returns a token bound to the session. Send it as `X-CSRF-Token` with unsafe requests that use the cookie."""
    return CsrfToken(csrf_token=services.authenticator.csrf.issue(principal.session_id))


@sessions.get("", summary="List sessions")
async def list_sessions(
    query: PageNumberQueryDep, principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[SessionRead]:
    """Returns the active sessions of the current user, most recently used first."""
    found = await SessionService(session).list_active(principal.user_id, query.paging)
    return Page.of(found, partial(SessionRead.of, current=principal.session_id_or_none))


@sessions.delete(
    "",
    status_code=204,
    audit=Audit("session.others_revoked", none_when="there are no other sessions"),
    step_up=Exempt("It only revokes access."),
    summary="Revoke all other sessions",
)
async def revoke_other_sessions(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes all sessions of the current user except the current one."""
    await SessionService(session).revoke_others(principal)


@sessions.delete(
    "/{session_id}",
    status_code=204,
    audit="session.revoked",
    step_up=Exempt("It only revokes access."),
    summary="Revoke a session",
    errors=(SessionNotFound,),
)
async def revoke_session(session_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes a session of the current user. Its next request fails."""
    await SessionService(session).revoke_own(principal, session_id)


@admin.get("/sessions", summary="List a user's sessions", errors=(UserNotFound,))
async def list_user_sessions(
    user_id: UUID,
    query: PageNumberQueryDep,
    principal: CurrentPrincipal,
    session: ReadSessionDep,
) -> Page[SessionRead]:
    """Returns the active sessions, most recently used first."""
    found = await SessionService(session).list_of_user(user_id, query.paging)
    return Page.of(found, partial(SessionRead.of, current=principal.session_id))


@admin.delete(
    "/sessions/{session_id}",
    status_code=204,
    audit="session.revoked",
    step_up=Exempt("It only revokes access."),
    summary="Revoke a user's session",
    errors=(UserNotFound, RoleTooWeak, SessionNotFound),
)
async def revoke_user_session(
    user_id: UUID, session_id: UUID, principal: CurrentPrincipal, session: SessionDep
) -> None:
    """Revokes the session. Its next request fails."""
    await SessionService(session).revoke_of_user(user_id, session_id, by=principal)


@admin.post(
    "/sign-out",
    audit=Audit("user.signed_out", none_when="the user has no session"),
    step_up=Exempt("It only revokes access."),
    summary="Revoke all sessions of a user",
    errors=(UserNotFound, RoleTooWeak),
)
async def sign_out_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> SignedOut:
    """Revokes all sessions of the user. API keys stay valid."""
    return SignedOut(revoked=await SessionService(session).sign_out_user(user_id, by=principal))
