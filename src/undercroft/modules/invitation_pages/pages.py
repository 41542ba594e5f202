"""The page behind an emailed invitation. Opening it changes nothing; its buttons send POST requests.

A user signed in with the invited address accepts with one click. A visitor without an account chooses a password,
which creates the account, accepts and signs in. A visitor with an account signs in first. A user signed in with
another address gets a button to sign out.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.audit import set_current_actor
from undercroft.core.auth import Principal
from undercroft.core.errors import AppError
from undercroft.core.http import Router
from undercroft.core.http.flash import read_flash, see_other
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import Action, add_templates, email_link_page, failure_page, result_page
from undercroft.core.security.passwords import MAX_INPUT, WeakPassword
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.modules.auth import (
    AuthServices,
    AuthServicesDep,
    CurrentClient,
    browser,
    clear_session_cookie,
    end_session,
    refuse_cross_site,
    require_local_accounts,
)
from undercroft.modules.invitation_pages.service import register_and_accept
from undercroft.modules.teams import INVITATION_PAGE, OpenInvitation, UserTeam, accept_invitation, get_open_invitation
from undercroft.modules.users import NAME_LENGTH, EmailTaken, FullName

add_templates(Path(__file__).parent / "templates")

pages = Router(surface="root")

SIGN_IN_PAGE = "/sign-in"
JOINED_PAGE = f"{INVITATION_PAGE}/joined"
CONTINUE = Action("Continue", "/")
FormToken = Annotated[str, Form(max_length=512)]


@pages.get(INVITATION_PAGE)
async def invitation_page(
    request: Request, auth_services: AuthServicesDep, token: Annotated[str, Query(max_length=512)] = ""
) -> Response:
    return await _render(request, auth_services, token)


@pages.post(INVITATION_PAGE)
@limit("30/minute")
@idempotency_exempt("a browser form; accepting again changes nothing")
async def accept(
    request: Request, auth_services: AuthServicesDep, token: FormToken = "", csrf_token: FormToken = ""
) -> Response:
    """Accept the invitation as the signed-in user."""
    try:
        visitor = await _visitor(request, auth_services, csrf_token)
        if visitor is None:
            return await _render(request, auth_services, token)
        async with auth_services.database.session() as session:
            joined = await accept_invitation(session, token, visitor.user_id)
    except AppError as error:
        return _render_failure(request, error)
    return _redirect_joined(joined)


@pages.post(f"{INVITATION_PAGE}/register", dependencies=[require_local_accounts()])
@limit("30/minute")
@idempotency_exempt("a browser form; an address can register only once")
async def register(
    request: Request,
    auth_services: AuthServicesDep,
    client: CurrentClient,
    token: FormToken = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    full_name: Annotated[FullName, Form()] = "",
) -> Response:
    """Register and accept; if the address has an account by now, the page asks the visitor to sign in."""
    try:
        refuse_cross_site(request, from_mail=True)
        joined, started = await register_and_accept(
            auth_services.database, token=token, password=password, full_name=full_name, client=client
        )
    except WeakPassword as error:
        return await _render(request, auth_services, token, error, full_name=full_name)
    except EmailTaken:
        return await _render(request, auth_services, token)
    except AppError as error:
        return _render_failure(request, error)
    response = _redirect_joined(joined)
    browser.set_sign_in_cookies(response, started)
    return response


@pages.post(f"{INVITATION_PAGE}/sign-out")
@idempotency_exempt("a browser form; signing out again changes nothing")
async def sign_out(
    request: Request, auth_services: AuthServicesDep, token: FormToken = "", csrf_token: FormToken = ""
) -> Response:
    """Sign out, so that the owner of the invited address can sign in."""
    try:
        visitor = await _visitor(request, auth_services, csrf_token)
    except AppError as error:
        return _render_failure(request, error)
    if visitor is not None:
        async with auth_services.database.session() as session:
            await end_session(session, visitor, visitor.session_id)
    response = await _render(request, auth_services, token)
    clear_session_cookie(response)
    return response


@pages.get(JOINED_PAGE)
async def joined_page(request: Request) -> Response:
    joined = read_flash(request)
    title = f"You joined {joined['team']}" if joined else "You joined the team"
    return result_page(request, title, f"Your role is {joined['role']}." if joined else "", CONTINUE)


async def _visitor(request: Request, auth_services: AuthServices, csrf_token: str) -> Principal | None:
    """Return the signed-in user. Raises `CsrfFailed` when another site sent the form."""
    refuse_cross_site(request, from_mail=True)
    visitor = await auth_services.authenticator.visitor(request)
    if visitor is not None:
        auth_services.authenticator.csrf.require(visitor.session_id, csrf_token)
        set_current_actor(visitor.actor)
    return visitor


async def _render(
    request: Request, auth_services: AuthServices, token: str, error: AppError | None = None, *, full_name: str = ""
) -> Response:
    """Render the page for the visitor's next step."""
    try:
        async with auth_services.database.read_session() as read_session:
            found = await get_open_invitation(read_session, token)
    except AppError as failure:
        return _render_failure(request, failure)
    visitor = await auth_services.authenticator.visitor(request)
    return email_link_page(
        request,
        "invitation_pages/invitation.html",
        status=error.status if error else 200,
        found=found,
        stage=_next_step(found, visitor, can_register=auth_services.authenticator.external is None),
        visitor_email=visitor.subject["email"] if visitor else "",
        csrf_token=auth_services.authenticator.csrf.issue(visitor.session_id) if visitor else "",
        token=token,
        action=INVITATION_PAGE,
        sign_in=_with_query(SIGN_IN_PAGE, next=_with_query(INVITATION_PAGE, token=token)),
        error=error,
        full_name=full_name,
        min_length=load(PasswordSettings).password_min_length,
        max_length=MAX_INPUT,
        max_name_length=NAME_LENGTH,
    )


def _with_query(page: str, **query: str) -> str:
    return f"{page}?{urlencode(query)}"


def _next_step(found: OpenInvitation, visitor: Principal | None, *, can_register: bool) -> str:
    """Return the visitor's next step. With an external identity provider, visitors cannot register here."""
    if visitor is None:
        return "register" if can_register and not found.has_account else "sign_in"
    return "accept" if visitor.subject["email"] == found.email else "wrong_account"


def _redirect_joined(joined: UserTeam) -> Response:
    return see_other(JOINED_PAGE, team=joined.team.name, role=joined.role)


def _render_failure(request: Request, error: AppError) -> Response:
    return failure_page(request, error, "This invitation cannot be used", CONTINUE)
