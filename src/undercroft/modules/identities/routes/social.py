"""Signing in with others: to the provider, and back."""

from collections.abc import Awaitable, Mapping
from typing import Annotated
from urllib.parse import urldefrag, urlencode

from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.auth import Router
from undercroft.core.db import SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret, not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.local_paths import LONGEST_PATH
from undercroft.core.http.pages import Action, failure_page, sign_in_link
from undercroft.modules.auth import (
    SIGN_IN,
    Client,
    CurrentClient,
    DisposableAddress,
    Identity,
    IdentityDep,
    Kind,
    MfaRequired,
    SessionKind,
    TokenPair,
    browser,
    require_local_accounts,
    second_factor_page,
    token_pair,
)
from undercroft.modules.identities import flows, service
from undercroft.modules.identities.connections import Connections, ConnectionsDep
from undercroft.modules.identities.errors import (
    AccountInactive,
    ChallengeMissing,
    EmailUnverified,
    IdentityConflict,
    IdentityTaken,
    InvalidCode,
    LinkingNeedsSession,
    ReturnNotAllowed,
    SignInDenied,
    UnknownProvider,
)
from undercroft.modules.identities.flows import Begun
from undercroft.modules.identities.schemas import CHALLENGE, ExchangeRequest, ProviderRead, Providers
from undercroft.providers.identity import IdentityProviderUnavailable, Profile, SocialSignInFailed

social = Router(surface="auth", prefix="/social", tag=SIGN_IN)

PASSED_ON = ("code", "state", "iss", "error", "user")
LONGEST = 4000
CAME_BACK = (
    SocialSignInFailed,
    SignInDenied,
    AccountInactive,
    EmailUnverified,
    DisposableAddress,
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
    responses=responses(InvalidCode, AccountInactive, MfaRequired),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@answers_secret
async def exchange(
    body: ExchangeRequest, client: CurrentClient, identity: IdentityDep, session: SessionDep
) -> TokenPair:
    """For apps, which are sent back with a code; it works once, for a minute, and only with the verifier."""
    _, started = await service.exchange(
        session, body.code.get_secret_value(), body.code_verifier.get_secret_value(), client
    )
    return await token_pair(identity, started)


@social.get(
    "/{provider}",
    status_code=302,
    response_class=RedirectResponse,
    summary="Sign in with a provider",
    responses=responses(UnknownProvider, ReturnNotAllowed, ChallengeMissing, IdentityProviderUnavailable),
)
async def begin(
    provider: str,
    request: Request,
    connections: ConnectionsDep,
    return_to: Annotated[str, Query(max_length=LONGEST_PATH, description="Where to come back to.")] = "/",
    session: Kind = SessionKind.COOKIE,
    code_challenge: Annotated[str | None, Query(pattern=CHALLENGE, description="Of an app: S256, RFC 7636.")] = None,
) -> Response:
    """Sends the browser to the provider. It comes back signed in by a cookie; an app (`bearer`) with a code."""

    async def work() -> Response:
        if session is SessionKind.BEARER and code_challenge is None:
            raise ChallengeMissing
        begun = flows.begin(provider, return_to=return_to, kind=session, challenge=code_challenge)
        return await sent_away(connections, begun)

    return await shown(request, work())


@social.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Come back from a provider",
    responses=responses(*CAME_BACK),
)
async def come_back(
    provider: str, request: Request, connections: ConnectionsDep, identity: IdentityDep, client: CurrentClient
) -> Response:
    """Where providers send browsers; only the browser that began, and only once."""
    answer = _answer(request.query_params)
    state = answer.get("state", "")

    async def work() -> Response:
        begun = flows.resume(request, provider, state)
        profile = await service.finish(identity.database, connections.provider(provider), begun, answer)
        return await _welcomed(request, identity, begun, profile, client)

    response = await shown(request, work())
    flows.forget(response, state)
    return response


@social.post(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Come back from the provider by a form",
)
@not_idempotent("It changes nothing: it sends the browser on.")
async def come_back_by_form(provider: str, request: Request) -> Response:
    """Apple has the browser post from its own site, without our cookies: the same once more as a GET, with them."""
    form = await request.form()
    answer = _answer({name: value for name, value in form.items() if isinstance(value, str)})
    return RedirectResponse(f"{social.prefix}/{provider}/callback?{urlencode(answer)}", 303)


async def sent_away(connections: Connections, begun: Begun) -> Response:
    """To the provider, with a cookie that knows what must come back."""
    address = await connections.provider(begun.provider).address(begun.flow)
    response = RedirectResponse(address, 302)
    flows.keep(response, begun)
    return response


async def shown(request: Request, work: Awaitable[Response]) -> Response:
    """The answer; what goes wrong is a page for browsers."""
    try:
        return await work
    except AppError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        link = sign_in_link("/")
        return failure_page(request, error, "Sign-in failed", *([Action("Sign in", link)] if link else []))


async def _welcomed(request: Request, identity: Identity, begun: Begun, profile: Profile, client: Client) -> Response:
    await _require_nobody_else(request, identity, begun)
    async with identity.database.session() as session:
        if begun.user_id is not None:
            await service.link(session, begun, profile)
            return RedirectResponse(begun.return_to, 303)
        if begun.challenge is not None:
            code = await service.give_code(session, begun.provider, profile, begun.challenge)
            return RedirectResponse(_with(begun.return_to, code=code), 303)
    try:
        async with identity.database.session() as session:
            started = await service.sign_in(session, begun.provider, profile, client)
    except MfaRequired as error:
        page = await second_factor_page(request, error, begun.return_to)
        return page or _in_fragment(begun.return_to, error)
    response = RedirectResponse(begun.return_to, 303)
    browser.remember(response, started)
    return response


async def _require_nobody_else(request: Request, identity: Identity, begun: Begun) -> None:
    """Raises `LinkingNeedsSession` when somebody else signed in with this browser after the linking was begun."""
    visitor = await identity.authenticator.visitor(request) if begun.user_id is not None else None
    if visitor is not None and visitor.person_id != begun.user_id:
        raise LinkingNeedsSession


def _in_fragment(target: str, asked: MfaRequired) -> Response:
    """For a page of somebody's own: what `POST /auth/mfa/verify` wants, where no server's log sees it."""
    return RedirectResponse(f"{urldefrag(target).url}#{urlencode(asked.details or {}, doseq=True)}", 303)


def _answer(said: Mapping[str, str]) -> dict[str, str]:
    return {name: said[name] for name in PASSED_ON if name in said and len(said[name]) <= LONGEST}


def _with(target: str, **more: str) -> str:
    address, fragment = urldefrag(target)
    joined = f"{address}{'&' if '?' in address else '?'}{urlencode(more)}"
    return f"{joined}#{fragment}" if fragment else joined
