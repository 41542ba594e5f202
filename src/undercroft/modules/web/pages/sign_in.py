"""The sign-in and sign-out pages, and the page that a sign-in link opens."""

from typing import Annotated

from fastapi import Depends, Form, Query, Request, Response
from pydantic import Field

from undercroft.core.db import SessionDep
from undercroft.core.errors import AppError
from undercroft.core.http import Action, Audit, Exempt, Router, result_page
from undercroft.core.http.flash import see_other
from undercroft.core.http.same_site import MAX_PATH_LENGTH
from undercroft.modules.auth import (
    LINK_SENT_MESSAGE,
    LinkOfAnotherDevice,
    LinkPage,
    MagicLinkServiceDep,
)
from undercroft.modules.sessions import (
    CurrentClient,
    MfaRequired,
    SessionKind,
    SessionService,
    clear_session_cookies,
    get_authenticator,
    require_local_accounts,
)
from undercroft.modules.users import EMAIL_LENGTH
from undercroft.modules.web.service.forms import LinkForm, SessionForm, parse_email, redirect
from undercroft.modules.web.service.sign_in import PasskeyForm, SecondFactorForm, SignInForm
from undercroft.modules.web.service.site import (
    PASSKEY_PAGE,
    REQUEST_LINK_PAGE,
    SECOND_FACTOR_PAGE,
    SIGN_IN_PAGE,
    SIGN_OUT_PAGE,
    SITE,
    Visitor,
    check_sign_in_available,
    get_mailbox_actions,
    safe_next_path,
)

sign_in_router = Router(surface="root", dependencies=[Depends(check_sign_in_available)])
local_router = Router(surface="root", dependencies=[require_local_accounts()])


class MagicLinkForm(LinkForm):
    """A browser that did not request the link confirms the account's email address."""

    template, action = "magic_link", LinkPage.MAGIC_LINK

    email: Annotated[str, Field(max_length=EMAIL_LENGTH)] = ""


class SignOutForm(SessionForm):
    template, action = "sign_out", SIGN_OUT_PAGE


@sign_in_router.get(SIGN_IN_PAGE)
async def sign_in_page(
    request: Request,
    visitor: Visitor,
    next_path: Annotated[str, Query(alias="next", max_length=MAX_PATH_LENGTH)] = "",
    again: bool = False,
) -> Response:
    """Show the sign-in form, or redirect a user who is already signed in.

    With `again`, such a user sees the form as well: a new session is freshly authenticated.
    """
    if visitor is not None and not again:
        return see_other(safe_next_path(next_path))
    return SITE.show(request, SignInForm(next_path=next_path))


@local_router.post(
    SIGN_IN_PAGE,
    audit=SignInForm.audit,
    limit="sign_in",
    idempotency=Exempt("HTML forms cannot send the header."),
)
async def sign_in(request: Request, form: Annotated[SignInForm, Form()]) -> Response:
    return await SITE.sign_in(request, form)


@sign_in_router.post(
    SECOND_FACTOR_PAGE,
    audit=SecondFactorForm.audit,
    limit="sign_in",
    idempotency=Exempt("A code and a challenge work once."),
)
async def verify_second_factor(request: Request, form: Annotated[SecondFactorForm, Form()]) -> Response:
    return await SITE.verify_second_factor(request, form)


@local_router.post(
    PASSKEY_PAGE,
    audit=PasskeyForm.audit,
    limit="sign_in",
    idempotency=Exempt("A challenge works once."),
)
async def sign_in_by_passkey(request: Request, form: Annotated[PasskeyForm, Form()]) -> Response:
    """A separate page asks for the passkey, so that the sign-in page needs no script."""
    return await SITE.sign_in_with_passkey(request, form)


@sign_in_router.get(SECOND_FACTOR_PAGE)
@local_router.get(PASSKEY_PAGE)
async def redirect_to_sign_in() -> Response:
    """Redirect: the form needs the token of a pending sign-in, or a challenge, which a GET request must not store."""
    return SITE.start_over()


@local_router.post(
    REQUEST_LINK_PAGE,
    audit=Audit("sign_in.link_requested", none_when="the address is invalid"),
    limit="sign_in_request",
    idempotency=Exempt("The request only sends an email."),
)
async def send_magic_link(
    request: Request, form: Annotated[SignInForm, Form()], client: CurrentClient, links: MagicLinkServiceDep
) -> Response:
    """Another button of the sign-in form. The response is the same whether or not the address has an account."""
    try:
        await form.check(request)
        if (email := parse_email(form.email)) is not None:
            await links.request(email)
    except AppError as error:
        return SITE.show(request, form, error)
    return redirect(f"{REQUEST_LINK_PAGE}/sent", device=client.device)


@local_router.get(f"{REQUEST_LINK_PAGE}/sent")
async def magic_link_sent_page(request: Request) -> Response:
    actions = (*get_mailbox_actions(), Action("Back to sign in", SIGN_IN_PAGE))
    return result_page(request, "Check your email", LINK_SENT_MESSAGE, *actions)


@local_router.get(LinkPage.MAGIC_LINK)
async def magic_link_page(request: Request, token: Annotated[str, Query(max_length=512)] = "") -> Response:
    return MagicLinkForm(token=token).render(request)


@local_router.post(
    LinkPage.MAGIC_LINK,
    audit=Audit("session.started", "mfa.challenged", none_when="another browser confirms the account first"),
    limit="sign_in",
    idempotency=Exempt("The link works once."),
)
async def sign_in_by_magic_link(
    request: Request, form: Annotated[MagicLinkForm, Form()], links: MagicLinkServiceDep
) -> Response:
    try:
        await form.check(request)
        _, started = await links.sign_in(form.token, kind=SessionKind.COOKIE, email=form.email)
    except LinkOfAnotherDevice as error:
        return form.render(request, email=(error.details or {})["email"])
    except MfaRequired as error:
        return await SITE.mfa_required(request, error, "")
    except AppError as error:
        return form.fail(request, error)
    return SITE.redirect(started, "")


@sign_in_router.get(SIGN_OUT_PAGE)
async def sign_out_page(request: Request, visitor: Visitor) -> Response:
    if visitor is None:
        return see_other(SIGN_IN_PAGE)
    csrf_token = get_authenticator().csrf.issue(visitor.session_id)
    return SignOutForm().render(request, csrf_token=csrf_token, email=visitor.subject["email"])


@sign_in_router.post(
    SIGN_OUT_PAGE,
    audit=Audit("session.revoked", none_when="there is no session"),
    idempotency=Exempt("Revoking a session twice has no further effect."),
)
async def sign_out(request: Request, form: Annotated[SignOutForm, Form()], session: SessionDep) -> Response:
    principal = await form.authenticate(request, impersonation=True)
    await SessionService(session).sign_out_browser(principal)
    response = see_other(SIGN_IN_PAGE)
    clear_session_cookies(response)
    return response
