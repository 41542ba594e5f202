"""The mails of signing in: what each says, to whom it goes, and the token that its link carries.

Whether anybody has an address is found out here, in the job, never while somebody waits for an answer: so an answer
cannot tell, neither by what it says nor by how long it takes.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from undercroft.core.db import Session, utc_now
from undercroft.core.http.user_agents import recognized
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth.models import MailPurpose, MailRequest, MailToken, Registration
from undercroft.modules.auth.repository import RegistrationRepository
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users import User, UserRepository
from undercroft.providers.email.user_text import Verbatim

VERIFY_PAGE = "/verify-email"
RESEND_PAGE = f"{VERIFY_PAGE}/resend"
SENT_PAGE = f"{VERIFY_PAGE}/sent"
RESET_PAGE = "/reset-password"
CONFIRM_PAGE = "/confirm-email"
MAGIC_PAGE = "/magic-link"


class Letter:
    """A mail that is ready to be rendered: address, template and what it is filled with."""

    __slots__ = ("data", "template", "to")

    def __init__(self, to: str, template: str, **data: Any) -> None:
        self.to = to
        self.template = template
        self.data = data

    def __repr__(self) -> str:
        return f"<Letter {self.template}>"


async def verification(session: Session, registration: Registration | None) -> Letter | None:
    """For a registration: the link that makes the account, or the notice that there is one."""
    if registration is None or registration.expires_at <= utc_now():
        return None
    if await UserRepository(session).by_email(registration.email) is not None:
        return already_registered(registration.email, registration)
    life = load(AuthSettings).verify_link_life
    registration.expires_at = utc_now() + life
    token = _mint(session, MailPurpose.VERIFY_EMAIL, registration.id, life)
    return Letter(
        registration.email,
        "verify",
        link=link(VERIFY_PAGE, token),
        expires_in=in_words(life),
        requested=_requested(registration),
    )


async def letter(session: Session, request: MailRequest) -> Letter | None:
    """What a mail request asks for; None when nobody is to be written to."""
    users = UserRepository(session)
    match MailPurpose(request.purpose):
        case MailPurpose.VERIFY_EMAIL:
            if await users.by_email(request.email) is not None:
                return already_registered(request.email, request)
            registration = await RegistrationRepository(session).latest(request.email, request.handle_hash)
            return await verification(session, registration)
        case MailPurpose.RESET_PASSWORD:
            requested = _requested(request)
            return _reset(session, await users.by_email(request.email), "reset_password", requested=requested)
        case MailPurpose.RESET_REQUIRED:
            return _reset(session, await users.by_email(request.email), "reset_required")
        case MailPurpose.MAGIC_LINK:
            return _magic_link(session, await users.by_email(request.email), request)
        case MailPurpose.CONFIRM_EMAIL:
            return await _confirmation(session, users, request)
        case purpose:
            return await _notice(users, purpose, request)


def already_registered(email: str, request: Registration | MailRequest) -> Letter:
    return Letter(email, "already_registered", link=link(RESET_PAGE), requested=_requested(request))


def link(page: str, token: str | None = None) -> str:
    """The address of a page of ours, from PUBLIC_URL."""
    url = load(CoreSettings).public_url + page
    return f"{url}?{urlencode({'token': token})}" if token else url


def in_words(life: timedelta) -> str:
    """`24 hours`, `60 minutes`."""
    minutes = round(life.total_seconds() / 60)
    amount, unit = (minutes // 60, "hour") if minutes > 60 and minutes % 60 == 0 else (minutes, "minute")
    return f"{amount} {unit}{'' if amount == 1 else 's'}"


def _reset(session: Session, user: User | None, template: str, **more: str) -> Letter | None:
    if user is None or not user.is_active:
        return None
    life = load(AuthSettings).reset_link_life
    address = link(RESET_PAGE, _mint(session, MailPurpose.RESET_PASSWORD, user.id, life))
    return Letter(user.email, template, name=user.full_name, link=address, expires_in=in_words(life), **more)


def _magic_link(session: Session, user: User | None, request: MailRequest) -> Letter | None:
    """Earlier links stay valid for their time: else a stranger who asks for one would revoke the owner's."""
    if user is None or not user.is_active:
        return None
    life = load(AuthSettings).magic_link_life
    token = _mint(session, MailPurpose.MAGIC_LINK, user.id, life, request.handle_hash)
    return Letter(
        user.email,
        "magic_link",
        name=user.full_name,
        link=link(MAGIC_PAGE, token),
        expires_in=in_words(life),
        requested=_requested(request),
    )


async def _confirmation(session: Session, users: UserRepository, request: MailRequest) -> Letter | None:
    owner = await users.by_email(request.email)
    if owner is not None:
        return None if owner.id == request.user_id else already_registered(request.email, request)
    life = load(AuthSettings).verify_link_life
    address = link(CONFIRM_PAGE, _mint(session, MailPurpose.CONFIRM_EMAIL, request.id, life))
    return Letter(
        request.email, "confirm_email", link=address, expires_in=in_words(life), requested=_requested(request)
    )


async def _notice(users: UserRepository, purpose: MailPurpose, request: MailRequest) -> Letter:
    data: dict[str, Any] = {"name": request.full_name, "when": _moment(request.created_at), "where": _where(request)}
    if purpose is MailPurpose.EMAIL_CHANGED and request.user_id:
        user = await users.find(request.user_id)
        data["new_email"] = user.email if user else "another address"
    alarming = (MailPurpose.PASSWORD_CHANGED, MailPurpose.PASSWORD_WAS_RESET)
    data["link"] = link(RESET_PAGE) if purpose in alarming else load(CoreSettings).public_url
    return Letter(request.email, purpose.value, **data)


def _mint(
    session: Session, purpose: MailPurpose, subject_id: UUID, life: timedelta, handle_hash: bytes | None = None
) -> str:
    """A token that exists once the session has committed; stored as its hash."""
    token = new_token()
    session.add(
        MailToken(
            token_hash=hash_token(token),
            purpose=purpose,
            subject_id=subject_id,
            expires_at=utc_now() + life,
            handle_hash=handle_hash,
        )
    )
    return token


def _requested(request: Registration | MailRequest) -> Verbatim:
    """When and from where somebody asked: `3 May 2026 at 10:00 UTC from 192.0.2.1 (Firefox on Linux)`.

    Without a word that the requester could choose, because the address may be another person's.
    """
    program = recognized(request.user_agent)
    words = [_moment(request.created_at), request.ip and f"from {request.ip}", program and f"({program})"]
    return Verbatim(" ".join(filter(None, words)))


def _where(request: MailRequest) -> Verbatim:
    """`192.0.2.1 (Firefox on Linux)`; empty where the request does not say."""
    program = recognized(request.user_agent)
    return Verbatim(" ".join(filter(None, [request.ip, program and f"({program})"])))


def _moment(when: datetime) -> str:
    return f"{when:%d %B %Y at %H:%M} UTC"
