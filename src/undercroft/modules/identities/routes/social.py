"""Signing in with others: to the provider, and back."""

from collections.abc import Awaitable, Mapping
from typing import Annotated
from urllib.parse import urldefrag, urlencode

from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.db import SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt, returns_secret
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import MAX_PATH_LENGTH
from undercroft.core.http.pages import Action, failure_page, sign_in_link
from undercroft.modules.auth import (
    SIGN_IN,
    AuthServices,
    AuthServicesDep,
    Client,
    CurrentClient,
    DisposableEmail,
    Kind,
    MfaRequired,
    SessionKind,
    TokenPair,
    browser,
    issue_token_pair,
    require_local_accounts,
    second_factor_page,
)
from undercroft.modules.identities import flows, service
from undercroft.modules.identities.connections import Connections, ConnectionsDep
from undercroft.modules.identities.errors import (
    AccountInactive,
    ChallengeMissing,
    EmailUnverified,
    IdentityConflict,
    IdentityTaken,
    InvalidExchangeCode,
    LinkingNeedsSession,
    ReturnUrlNotAllowed,
    SignInDenied,
    UnknownProvider,
)
from undercroft.modules.identities.flows import OAuthFlowState
from undercroft.modules.identities.schemas import CODE_CHALLENGE_PATTERN, ExchangeRequest, ProviderRead, Providers
from undercroft.providers.identity import IdentityProviderUnavailable, Profile, SocialSignInFailed

social = Router(surface="auth", prefix="/social", tag=SIGN_IN)

CALLBACK_PARAMETERS = ("code", "state", "iss", "error", "user")
MAX_PARAMETER_LENGTH = 4000
CALLBACK_ERRORS = (
    SocialSignInFailed,
    SignInDenied,
    AccountInactive,
    EmailUnverified,
    DisposableEmail,
    IdentityConflict,
    IdentityTaken,
    LinkingNeedsSession,
    MfaRequired,
    IdentityProviderUnavailable,
    UnknownProvider,
)


@social.get("", response_model=Providers, summary="List whom one can sign in with")
async def list_providers(connections: ConnectionsDep) -> Providers:
    """In the order in which buttons are shown."""
    base = f"{social.prefix}"
    listed = connections.social.values()
    return Providers(
        items=[ProviderRead(name=each.name, label=each.label, url=f"{base}/{each.name}") for each in listed]
    )


@social.post(
    "/exchange",
    response_model=TokenPair,
    summary="Exchange a one-time code for tokens",
    responses=responses(InvalidExchangeCode, AccountInactive, MfaRequired),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@returns_secret
async def exchange(
    body: ExchangeRequest, client: CurrentClient, auth_services: AuthServicesDep, session: SessionDep
) -> TokenPair:
    """For apps, which are sent back with a code; it works once, for a minute, and only with the verifier."""
    _, started = await service.exchange(
        session, body.code.get_secret_value(), body.code_verifier.get_secret_value(), client
    )
    return await issue_token_pair(auth_services, started)


@social.get(
    "/{provider}",
    status_code=302,
    response_class=RedirectResponse,
    summary="Sign in with a provider",
    responses=responses(UnknownProvider, ReturnUrlNotAllowed, ChallengeMissing, IdentityProviderUnavailable),
)
async def begin(
    provider: str,
    request: Request,
    connections: ConnectionsDep,
    return_to: Annotated[str, Query(max_length=MAX_PATH_LENGTH, description="Where to come back to.")] = "/",
    session: Kind = SessionKind.COOKIE,
    code_challenge: Annotated[
        str | None, Query(pattern=CODE_CHALLENGE_PATTERN, description="Of an app: S256, RFC 7636.")
    ] = None,
) -> Response:
    """Sends the browser to the provider. It comes back signed in by a cookie; an app (`bearer`) with a code."""

    async def work() -> Response:
        if session is SessionKind.BEARER and code_challenge is None:
            raise ChallengeMissing
        begun = flows.begin(provider, return_to=return_to, kind=session, challenge=code_challenge)
        return await redirect_to_provider(connections, begun)

    return await with_error_page(request, work())


@social.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Come back from a provider",
    responses=responses(*CALLBACK_ERRORS),
)
async def callback(
    provider: str, request: Request, connections: ConnectionsDep, auth_services: AuthServicesDep, client: CurrentClient
) -> Response:
    """Where providers send browsers; only the browser that began, and only once."""
    answer = _callback_parameters(request.query_params)
    state = answer.get("state", "")

    async def work() -> Response:
        begun = flows.resume(request, provider, state)
        profile = await service.handle_callback(auth_services.database, connections.provider(provider), begun, answer)
        return await _complete_flow(request, auth_services, begun, profile, client)

    response = await with_error_page(request, work())
    flows.clear(response, state)
    return response


@social.post(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Come back from the provider by a form",
)
@idempotency_exempt("It changes nothing: it sends the browser on.")
async def form_post_callback(provider: str, request: Request) -> Response:
    """Apple has the browser post from its own site, without our cookies: the same once more as a GET, with them."""
    form = await request.form()
    response = _callback_parameters({name: value for name, value in form.items() if isinstance(value, str)})
    return RedirectResponse(f"{social.prefix}/{provider}/callback?{urlencode(response)}", 303)


async def redirect_to_provider(connections: Connections, begun: OAuthFlowState) -> Response:
    """To the provider, with a cookie that knows what must come back."""
    address = await connections.provider(begun.provider).authorization_url(begun.flow)
    response = RedirectResponse(address, 302)
    flows.store(response, begun)
    return response


async def with_error_page(request: Request, work: Awaitable[Response]) -> Response:
    """The answer; what goes wrong is a page for browsers."""
    try:
        return await work
    except AppError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        link = sign_in_link("/")
        return failure_page(request, error, "Sign-in failed", *([Action("Sign in", link)] if link else []))


async def _complete_flow(
    request: Request, auth_services: AuthServices, begun: OAuthFlowState, profile: Profile, client: Client
) -> Response:
    await _require_same_user(request, auth_services, begun)
    async with auth_services.database.session() as session:
        if begun.user_id is not None:
            await service.link(session, begun, profile)
            return RedirectResponse(begun.return_to, 303)
        if begun.challenge is not None:
            code = await service.create_exchange_code(session, begun.provider, profile, begun.challenge)
            return RedirectResponse(_add_query(begun.return_to, code=code), 303)
    try:
        async with auth_services.database.session() as session:
            started = await service.sign_in(session, begun.provider, profile, client)
    except MfaRequired as error:
        page = await second_factor_page(request, error, begun.return_to)
        return page or _redirect_with_fragment(begun.return_to, error)
    response = RedirectResponse(begun.return_to, 303)
    browser.set_sign_in_cookies(response, started)
    return response


async def _require_same_user(request: Request, auth_services: AuthServices, begun: OAuthFlowState) -> None:
    """Raises `LinkingNeedsSession` when somebody else signed in with this browser after the linking was begun."""
    visitor = await auth_services.authenticator.visitor(request) if begun.user_id is not None else None
    if visitor is not None and visitor.user_id_or_none != begun.user_id:
        raise LinkingNeedsSession


def _redirect_with_fragment(target: str, asked: MfaRequired) -> Response:
    """For a page of somebody's own: what `POST /auth/mfa/verify` wants, where no server's log sees it."""
    return RedirectResponse(f"{urldefrag(target).url}#{urlencode(asked.details or {}, doseq=True)}", 303)


def _callback_parameters(said: Mapping[str, str]) -> dict[str, str]:
    return {
        name: said[name] for name in CALLBACK_PARAMETERS if name in said and len(said[name]) <= MAX_PARAMETER_LENGTH
    }


def _add_query(target: str, **more: str) -> str:
    address, fragment = urldefrag(target)
    joined = f"{address}{'&' if '?' in address else '?'}{urlencode(more)}"
    return f"{joined}#{fragment}" if fragment else joined
