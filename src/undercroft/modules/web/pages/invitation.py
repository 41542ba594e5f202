"""The page behind an emailed invitation. Opening it changes nothing; its buttons send POST requests.

A user signed in with the invited address accepts with one click. A visitor without an account chooses a password,
which creates the account, accepts and signs in. A visitor with an account signs in first. A user signed in with
another address gets a button to sign out.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from undercroft.core.audit import set_current_actor
from undercroft.core.auth import Principal
from undercroft.core.db import Database, DatabaseDep
from undercroft.core.errors import AppError
from undercroft.core.http import Action, Audit, Exempt, Router, failure_page, result_page
from undercroft.core.http.flash import read_flash
from undercroft.modules.auth import RegistrationServiceDep
from undercroft.modules.sessions import SessionService, clear_session_cookies, get_authenticator, require_local_accounts
from undercroft.modules.teams import INVITATION_PAGE, JoinService, OpenInvitation, UserTeam
from undercroft.modules.users import EmailTaken
from undercroft.modules.web.service.forms import CsrfToken, LinkForm, NameField, PasswordField, parse_name, redirect
from undercroft.modules.web.service.site import SIGN_IN_PAGE, WELCOME_PAGE, continue_action

JOINED_PAGE = f"{INVITATION_PAGE}/joined"

invitation_router = Router(surface="root")


class InvitationForm(LinkForm):
    """The forms of the page: to accept, to register, and to sign out."""

    template, action = "invitation", INVITATION_PAGE

    csrf_token: CsrfToken = ""
    full_name: NameField = ""
    password: PasswordField = ""

    async def find_visitor(self, request: Request, *, impersonation: bool = False) -> Principal | None:
        """Return the signed-in user. Raises `CsrfFailed` when another site sent the form, and as `visitor` does."""
        await self.check(request)
        visitor = await get_authenticator().visitor(request, impersonation=impersonation)
        if visitor is not None:
            get_authenticator().csrf.require(visitor.session_id, self.csrf_token)
            set_current_actor(visitor.actor)
        return visitor

    async def show(self, request: Request, database: Database, error: AppError | None = None) -> Response:
        try:
            async with database.read_session() as session:
                found = await JoinService(session).get_invitation(self.token)
        except AppError as failure:
            return self.fail(request, failure)
        visitor = await get_authenticator().visitor(request)
        sign_in = {"next": f"{INVITATION_PAGE}?{urlencode({'token': self.token})}"}
        context: dict[str, Any] = {
            "found": found,
            "stage": _next_step(found, visitor, can_register=get_authenticator().external is None),
            "visitor_email": visitor.subject["email"] if visitor else "",
            "csrf_token": get_authenticator().csrf.issue(visitor.session_id) if visitor else "",
            "sign_in": f"{SIGN_IN_PAGE}?{urlencode(sign_in)}",
        }
        return self.render(request, error, **context)

    def fail(self, request: Request, error: AppError) -> Response:
        return failure_page(request, error, "This invitation cannot be used", Action("Continue", WELCOME_PAGE))


SubmittedForm = Annotated[InvitationForm, Form()]


@invitation_router.get(INVITATION_PAGE)
async def invitation_page(
    request: Request, database: DatabaseDep, token: Annotated[str, Query(max_length=512)] = ""
) -> Response:
    return await InvitationForm(token=token).show(request, database)


@invitation_router.post(
    INVITATION_PAGE,
    audit=Audit("invitation.accepted", none_when="the user is already a member"),
    limit="30/minute",
    idempotency=Exempt("a browser form; accepting again changes nothing"),
)
async def accept(request: Request, form: SubmittedForm, database: DatabaseDep) -> Response:
    """Accept the invitation as the signed-in user."""
    try:
        visitor = await form.find_visitor(request)
        if visitor is None:
            return await form.show(request, database)
        async with database.session() as session:
            joined = await JoinService(session).accept_invitation(form.token, visitor.user_id)
    except AppError as error:
        return form.fail(request, error)
    return _redirect_joined(joined)


@invitation_router.post(
    f"{INVITATION_PAGE}/register",
    audit=Audit(
        "user.registered",
        optional=("invitation.accepted", "session.started"),
        none_when="the address has an account, and its owner signs in first",
    ),
    limit="30/minute",
    idempotency=Exempt("a browser form; an address can register only once"),
    dependencies=[require_local_accounts()],
)
async def register(
    request: Request, form: SubmittedForm, database: DatabaseDep, registrations: RegistrationServiceDep
) -> Response:
    """Register and accept; if the address has an account by now, the page asks the visitor to sign in."""
    try:
        await form.check(request)
        joined, started = await registrations.register_invited(
            form.token, password=form.password, full_name=parse_name(form.full_name)
        )
    except EmailTaken:
        return await form.show(request, database)
    except AppError as error:
        if error.field in InvitationForm.model_fields:
            return await form.show(request, database, error)
        return form.fail(request, error)
    response = _redirect_joined(joined)
    started.set_cookies(response)
    return response


@invitation_router.post(
    f"{INVITATION_PAGE}/sign-out",
    audit=Audit("session.revoked", none_when="there is no session"),
    idempotency=Exempt("a browser form; signing out again changes nothing"),
)
async def sign_out(request: Request, form: SubmittedForm, database: DatabaseDep) -> Response:
    """Sign out, so that the owner of the invited address can sign in."""
    try:
        visitor = await form.find_visitor(request, impersonation=True)
    except AppError as error:
        return form.fail(request, error)
    if visitor is not None:
        async with database.session() as session:
            await SessionService(session).sign_out_browser(visitor)
    response = await form.show(request, database)
    clear_session_cookies(response)
    return response


@invitation_router.get(JOINED_PAGE)
async def joined_page(request: Request) -> Response:
    joined = read_flash(request)
    title = f"You joined {joined['team']}" if joined else "You joined the team"
    text = f"Your role is {joined['role']}." if joined else ""
    return result_page(request, title, text, continue_action(joined.get("slug", "")))


def _next_step(found: OpenInvitation, visitor: Principal | None, *, can_register: bool) -> str:
    """Return the visitor's next step. With an external identity provider, visitors cannot register here."""
    if visitor is None:
        return "register" if can_register and not found.has_account else "sign_in"
    return "accept" if visitor.subject["email"] == found.email else "wrong_account"


def _redirect_joined(joined: UserTeam) -> Response:
    return redirect(JOINED_PAGE, team=joined.team.name, slug=joined.team.slug, role=joined.role)
