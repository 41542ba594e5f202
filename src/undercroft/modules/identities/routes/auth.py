"""The current user's identities, and social sign-in: redirect to the provider and callback."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urldefrag, urlencode
from uuid import UUID

from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http import (
    Action,
    Audit,
    CurrentPrincipal,
    Exempt,
    Page,
    PageNumberQueryDep,
    Router,
    Tag,
    failure_page,
)
from undercroft.core.http.pages import sign_in_link
from undercroft.core.http.same_site import MAX_PATH_LENGTH
from undercroft.modules.auth import AuthServices, AuthServicesDep, DisposableEmail
from undercroft.modules.identities.dependencies import ConnectionsDep
from undercroft.modules.identities.errors import (
    AccountInactive,
    ChallengeMissing,
    EmailUnverified,
    IdentityConflict,
    IdentityNotFound,
    IdentityTaken,
    InvalidExchangeCode,
    LastSignInMethod,
    LinkingNeedsSession,
    ReturnUrlNotAllowed,
    SignInDenied,
    UnknownProvider,
)
from undercroft.modules.identities.schemas import (
    CODE_CHALLENGE_PATTERN,
    ExchangeRequest,
    IdentityRead,
    LinkRequest,
    ProviderName,
    ProviderRead,
    Providers,
    Redirect,
)
from undercroft.modules.identities.service.flows import OAuthFlowState, flow_cookie
from undercroft.modules.identities.service.identities import IdentityService, handle_callback
from undercroft.modules.sessions import (
    Client,
    CurrentClient,
    Kind,
    MfaRequired,
    SessionKind,
    TokenPair,
    get_authenticator,
    issue_token_pair,
    render_challenge_page,
    require_local_accounts,
)
from undercroft.modules.users import SignUpWaitlisted
from undercroft.providers.identity import IdentityProviderUnavailable, Profile, SocialSignInFailed

IDENTITIES = Tag("Identities", "Accounts at identity providers that sign in to this account.", group="Account")

identities = Router(surface="auth", prefix="/identities", tag=IDENTITIES)
social = Router(surface="auth", prefix="/social", tag="Auth")

CALLBACK_PARAMETERS = ("code", "state", "iss", "error", "user")
MAX_PARAMETER_LENGTH = 4000
CALLBACK_ERRORS = (
    SocialSignInFailed,
    SignInDenied,
    AccountInactive,
    EmailUnverified,
    DisposableEmail,
    SignUpWaitlisted,
    IdentityConflict,
    IdentityTaken,
    LinkingNeedsSession,
    MfaRequired,
    IdentityProviderUnavailable,
    UnknownProvider,
)


@identities.get("", summary="List the identities of the current user")
async def list_identities(
    query: PageNumberQueryDep, principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[IdentityRead]:
    """Sorted by the time of linking, newest first."""
    return Page.of(await IdentityService(session).list(principal, query.paging), IdentityRead.model_validate)


@identities.post(
    "",
    audit=Exempt("The callback of the provider links the identity."),
    step_up=True,
    summary="Link another identity",
    errors=(UnknownProvider, ReturnUrlNotAllowed, StepUpRequired, IdentityProviderUnavailable),
)
async def link(
    body: LinkRequest, principal: CurrentPrincipal, connections: ConnectionsDep, response: Response
) -> Redirect:
    """Start the linking of an identity: return the URL to which to redirect the browser, and set a cookie for the
    callback. The email addresses of the identity and the account may differ.
    """
    flow_state = OAuthFlowState.begin(
        body.provider,
        return_to=body.return_to,
        kind=SessionKind.COOKIE,
        user_id=principal.user_id,
        session_id=principal.session_id,
    )
    url = await connections.provider(body.provider).authorization_url(flow_state.flow)
    flow_state.store(response)
    return Redirect(redirect_url=url)


@identities.delete(
    "/{identity_id}",
    status_code=204,
    audit="identity.unlinked",
    step_up=True,
    summary="Unlink an identity",
    errors=(IdentityNotFound, LastSignInMethod, StepUpRequired),
)
async def unlink(identity_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Unlink an identity, so that it can no longer sign in to this account. Existing sessions stay active."""
    await IdentityService(session).unlink(principal, identity_id)


@social.get("", summary="List sign-in providers")
async def list_providers(connections: ConnectionsDep) -> Providers:
    """Return the enabled providers in the order in which sign-in pages show their buttons."""
    listed = connections.social.values()
    return Providers(
        items=[ProviderRead(name=each.name, label=each.label, url=f"{social.prefix}/{each.name}") for each in listed]
    )


@social.post(
    "/exchange",
    audit=Audit("session.started", on_failure=("mfa.challenged",)),
    limit="sign_in",
    idempotency="never_store",
    summary="Exchange a one-time code for tokens",
    errors=(InvalidExchangeCode, AccountInactive, MfaRequired),
    dependencies=[require_local_accounts()],
)
async def exchange_code(body: ExchangeRequest, client: CurrentClient, session: SessionDep) -> TokenPair:
    """Exchange the code that an app received with the callback for tokens.

    The code works once, within one minute, and only together with the PKCE verifier.
    """
    _, started = await IdentityService(session).exchange(
        body.code.get_secret_value(), body.code_verifier.get_secret_value(), client
    )
    return await issue_token_pair(started)


@social.get(
    "/{provider}",
    status_code=302,
    response_class=RedirectResponse,
    summary="Sign in with a provider",
    errors=(UnknownProvider, ReturnUrlNotAllowed, ChallengeMissing, IdentityProviderUnavailable),
)
async def begin_provider_sign_in(
    provider: ProviderName,
    request: Request,
    connections: ConnectionsDep,
    return_to: Annotated[
        str, Query(max_length=MAX_PATH_LENGTH, description="Where to redirect after the sign-in.")
    ] = "/",
    session: Kind = SessionKind.COOKIE,
    code_challenge: Annotated[
        str | None,
        Query(
            pattern=CODE_CHALLENGE_PATTERN,
            description="S256 code challenge (RFC 7636); required when `session` is `bearer`.",
        ),
    ] = None,
) -> Response:
    """Redirect the browser to the provider.

    After the callback the browser is signed in with a cookie. With `session=bearer`, an app receives a one-time code
    to exchange for tokens.
    """
    try:
        if session is SessionKind.BEARER and code_challenge is None:
            raise ChallengeMissing
        flow_state = OAuthFlowState.begin(provider, return_to=return_to, kind=session, challenge=code_challenge)
        response = RedirectResponse(await connections.provider(provider).authorization_url(flow_state.flow), 302)
        flow_state.store(response)
        return response
    except AppError as error:
        return _error_page(request, error)


@social.get(
    "/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    summary="Handle a provider's callback",
    errors=CALLBACK_ERRORS,
)
async def provider_callback(
    provider: ProviderName,
    request: Request,
    connections: ConnectionsDep,
    auth_services: AuthServicesDep,
    client: CurrentClient,
) -> Response:
    """Redirect URI of the provider. A flow completes only once, and only in the browser that started it."""
    parameters = _callback_parameters(request.query_params)
    state = parameters.get("state", "")
    flow_state: OAuthFlowState | None = None
    try:
        flow_state = OAuthFlowState.resume(request, provider, state)
        profile = await handle_callback(auth_services.database, connections.provider(provider), flow_state, parameters)
        response = await _complete_flow(request, auth_services, flow_state, profile, client)
    except AppError as error:
        response = _error_page(request, error, flow_state)
    flow_cookie(state).clear(response)
    return response


@social.post(
    "/{provider}/callback",
    status_code=303,
    audit=Exempt("It redirects to the GET callback, which signs in."),
    idempotency=Exempt("It changes nothing: it redirects the browser."),
    response_class=RedirectResponse,
    summary="Handle a provider's form callback",
)
async def provider_form_callback(provider: ProviderName, request: Request) -> Response:
    """Redirect a form callback to the GET callback with the same parameters.

    Apple posts the form from its own site, so that the browser omits the SameSite cookies.
    """
    form = await request.form()
    parameters = _callback_parameters({name: value for name, value in form.items() if isinstance(value, str)})
    return RedirectResponse(f"{social.prefix}/{provider}/callback?{urlencode(parameters)}", 303)


def _error_page(request: Request, error: AppError, flow_state: OAuthFlowState | None = None) -> Response:
    """Return an HTML error page if the client accepts HTML; otherwise raise the error."""
    if "text/html" not in request.headers.get("accept", ""):
        raise error
    if flow_state is not None and flow_state.user_id is not None:
        return failure_page(request, error, "The account was not connected", Action("Back", flow_state.return_to))
    link = sign_in_link()
    title = "Your account is not ready yet" if isinstance(error, SignUpWaitlisted) else "Sign-in failed"
    return failure_page(request, error, title, *([Action("Sign in", link)] if link else []))


async def _complete_flow(
    request: Request, auth_services: AuthServices, flow_state: OAuthFlowState, profile: Profile, client: Client
) -> Response:
    await _require_same_user(request, flow_state)
    async with auth_services.database.session() as session:
        if flow_state.user_id is not None:
            await IdentityService(session).link(flow_state, profile)
            return RedirectResponse(flow_state.return_to, 303)
        if flow_state.challenge is not None:
            code = await IdentityService(session).create_exchange_code(
                flow_state.provider, profile, flow_state.challenge
            )
            return RedirectResponse(_add_query(flow_state.return_to, code=code), 303)
    try:
        async with auth_services.database.session() as session:
            started = await IdentityService(session).sign_in(flow_state.provider, profile, client)
    except MfaRequired as error:
        page = await render_challenge_page(request, error, flow_state.return_to)
        return page or _redirect_with_fragment(flow_state.return_to, error)
    response = RedirectResponse(flow_state.return_to, 303)
    started.set_cookies(response)
    return response


async def _require_same_user(request: Request, flow_state: OAuthFlowState) -> None:
    """Raise `LinkingNeedsSession` if another user signed in with this browser after the linking was started."""
    visitor = await get_authenticator().visitor(request) if flow_state.user_id is not None else None
    if visitor is not None and visitor.user_id_or_none != flow_state.user_id:
        raise LinkingNeedsSession


def _redirect_with_fragment(target: str, error: MfaRequired) -> Response:
    """Redirect to a custom page with the details for `POST /auth/mfa/verify` in the fragment, which no server logs."""
    return RedirectResponse(f"{urldefrag(target).url}#{urlencode(error.details or {}, doseq=True)}", 303)


def _callback_parameters(received: Mapping[str, str]) -> dict[str, str]:
    return {
        name: received[name]
        for name in CALLBACK_PARAMETERS
        if name in received and len(received[name]) <= MAX_PARAMETER_LENGTH
    }


def _add_query(target: str, **parameters: str) -> str:
    url, fragment = urldefrag(target)
    joined = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
    return f"{joined}#{fragment}" if fragment else joined
