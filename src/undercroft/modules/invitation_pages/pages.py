"""The page behind a mailed invitation. Opening it changes nothing: buttons post.

Who is signed in as the invited address accepts by a click; whoever has no account chooses a password, and is in;
whoever has one signs in first; and who is signed in as somebody else is told so.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.audit import act_as
from undercroft.core.auth import Principal, Router
from undercroft.core.errors import AppError
from undercroft.core.http.flash import flashed, see_other
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.http.pages import Action, add_templates, failure_page, mailed_page, result_page
from undercroft.core.security.passwords import MAX_INPUT, WeakPassword
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import load
from undercroft.modules.auth import (
    CurrentClient,
    Identity,
    IdentityDep,
    browser,
    clear_session_cookie,
    end_session,
    refuse_cross_site,
    require_local_accounts,
)
from undercroft.modules.invitation_pages.service import register_and_accept
from undercroft.modules.teams import INVITATION_PAGE, Belonging, OpenInvitation, accept_invitation, open_invitation
from undercroft.modules.users import NAME_LENGTH, EmailTaken, PersonName

add_templates(Path(__file__).parent / "templates")

pages = Router(surface="root")

SIGN_IN_PAGE = "/sign-in"
JOINED_PAGE = f"{INVITATION_PAGE}/joined"
CONTINUE = Action("Continue", "/")
TokenInForm = Annotated[str, Form(max_length=512)]


@pages.get(INVITATION_PAGE)
async def invitation_page(
    request: Request, identity: IdentityDep, token: Annotated[str, Query(max_length=512)] = ""
) -> Response:
    return await _shown(request, identity, token)


@pages.post(INVITATION_PAGE)
@limit("30/minute")
@not_idempotent("a browser's form; accepting again changes nothing")
async def accept(
    request: Request, identity: IdentityDep, token: TokenInForm = "", csrf_token: TokenInForm = ""
) -> Response:
    """As who is signed in."""
    try:
        visitor = await _visitor(request, identity, csrf_token)
        if visitor is None:
            return await _shown(request, identity, token)
        async with identity.database.session() as session:
            joined = await accept_invitation(session, token, visitor.user_id)
    except AppError as error:
        return _refused(request, error)
    return _welcome(joined)


@pages.post(f"{INVITATION_PAGE}/register", dependencies=[require_local_accounts()])
@limit("30/minute")
@not_idempotent("a browser's form; an address registers once")
async def register(
    request: Request,
    identity: IdentityDep,
    client: CurrentClient,
    token: TokenInForm = "",
    password: Annotated[str, Form(max_length=MAX_INPUT)] = "",
    full_name: Annotated[PersonName, Form()] = "",
) -> Response:
    """As somebody new; whoever has made an account meanwhile signs in with that."""
    try:
        refuse_cross_site(request, from_mail=True)
        joined, started = await register_and_accept(
            identity.database, token=token, password=password, full_name=full_name, client=client
        )
    except WeakPassword as error:
        return await _shown(request, identity, token, error, full_name=full_name)
    except EmailTaken:
        return await _shown(request, identity, token)
    except AppError as error:
        return _refused(request, error)
    answer = _welcome(joined)
    browser.remember(answer, started)
    return answer


@pages.post(f"{INVITATION_PAGE}/sign-out")
@not_idempotent("a browser's form; ending a session again changes nothing")
async def sign_out(
    request: Request, identity: IdentityDep, token: TokenInForm = "", csrf_token: TokenInForm = ""
) -> Response:
    """So that the invited address can sign in."""
    try:
        visitor = await _visitor(request, identity, csrf_token)
    except AppError as error:
        return _refused(request, error)
    if visitor is not None:
        async with identity.database.session() as session:
            await end_session(session, visitor, visitor.session_id)
    answer = await _shown(request, identity, token)
    clear_session_cookie(answer)
    return answer


@pages.get(JOINED_PAGE)
async def joined_page(request: Request) -> Response:
    joined = flashed(request)
    title = f"You joined {joined['team']}" if joined else "You joined the team"
    return result_page(request, title, f"Your role is {joined['role']}." if joined else "", CONTINUE)


async def _visitor(request: Request, identity: Identity, csrf_token: str) -> Principal | None:
    """Who pressed a button of ours, by the cookie. Raises `CsrfFailed` when it was another site's."""
    refuse_cross_site(request, from_mail=True)
    visitor = await identity.authenticator.visitor(request)
    if visitor is not None:
        identity.authenticator.csrf.require(visitor.session_id, csrf_token)
        act_as(visitor.actor)
    return visitor


async def _shown(
    request: Request, identity: Identity, token: str, error: AppError | None = None, *, full_name: str = ""
) -> Response:
    """What is to be done with the invitation, for who is here."""
    try:
        async with identity.database.reading() as reading:
            found = await open_invitation(reading, token)
    except AppError as failure:
        return _refused(request, failure)
    visitor = await identity.authenticator.visitor(request)
    return mailed_page(
        request,
        "invitation_pages/invitation.html",
        status=error.status if error else 200,
        found=found,
        stage=_stage(found, visitor, registers=identity.authenticator.external is None),
        visitor_email=visitor.subject["email"] if visitor else "",
        csrf_token=identity.authenticator.csrf.issue(visitor.session_id) if visitor else "",
        token=token,
        action=INVITATION_PAGE,
        sign_in=_with(SIGN_IN_PAGE, next=_with(INVITATION_PAGE, token=token)),
        error=error,
        full_name=full_name,
        shortest=load(PasswordSettings).password_min_length,
        longest=MAX_INPUT,
        longest_name=NAME_LENGTH,
    )


def _with(page: str, **query: str) -> str:
    return f"{page}?{urlencode(query)}"


def _stage(found: OpenInvitation, visitor: Principal | None, *, registers: bool) -> str:
    """What is to be done next; where accounts are kept elsewhere, nobody registers here."""
    if visitor is None:
        return "register" if registers and not found.has_account else "sign_in"
    return "accept" if visitor.subject["email"] == found.email else "another"


def _welcome(joined: Belonging) -> Response:
    return see_other(JOINED_PAGE, team=joined.team.name, role=joined.role)


def _refused(request: Request, error: AppError) -> Response:
    reason = f"{error.text} Ask the person who invited you to send a new invitation."
    return failure_page(request, type(error)(reason), "The invitation does not work", CONTINUE)
