"""The content of the emails that this module sends: recipient, template, data, and the token in the link.

The job that sends an email looks up whether the address has an account. Requests never do, so that neither the body nor
the timing of a response reveals it.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from undercroft.core.db import Session, utc_now
from undercroft.core.http.user_agents import describe_user_agent
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth.models import MailPurpose, MailRequest, MailToken, Registration
from undercroft.modules.auth.repository import RegistrationRepository
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users import User, UserRepository
from undercroft.providers.email.sanitizer import TrustedText

VERIFY_PAGE = "/verify-email"
RESEND_PAGE = f"{VERIFY_PAGE}/resend"
VERIFICATION_SENT_PAGE = f"{VERIFY_PAGE}/sent"
RESET_PAGE = "/reset-password"
CONFIRM_PAGE = "/confirm-email"
MAGIC_LINK_PAGE = "/magic-link"


class MailContent:
    """The recipient, template and template data of an email."""

    __slots__ = ("data", "template", "to")

    def __init__(self, to: str, template: str, **data: Any) -> None:
        self.to = to
        self.template = template
        self.data = data

    def __repr__(self) -> str:
        return f"<MailContent {self.template}>"


async def build_verification_mail(session: Session, registration: Registration | None) -> MailContent | None:
    """Build the email for a registration: the verification link, or a notice that the account exists."""
    if registration is None or registration.expires_at <= utc_now():
        return None
    if await UserRepository(session).get_by_email(registration.email) is not None:
        return build_already_registered_mail(registration.email, registration)
    lifetime = load(AuthSettings).verify_link_lifetime
    registration.expires_at = utc_now() + lifetime
    token = _create_token(session, MailPurpose.VERIFY_EMAIL, registration.id, lifetime)
    return MailContent(
        registration.email,
        "verify",
        link=page_url(VERIFY_PAGE, token),
        expires_in=format_duration(lifetime),
        requested=_describe_request(registration),
    )


async def build_mail(session: Session, request: MailRequest) -> MailContent | None:
    """Build the email for a request; None if no email is to be sent."""
    users = UserRepository(session)
    match MailPurpose(request.purpose):
        case MailPurpose.VERIFY_EMAIL:
            if await users.get_by_email(request.email) is not None:
                return build_already_registered_mail(request.email, request)
            registration = await RegistrationRepository(session).find_latest(request.email, request.handle_hash)
            return await build_verification_mail(session, registration)
        case MailPurpose.RESET_PASSWORD:
            requested = _describe_request(request)
            return _build_reset_mail(
                session, await users.get_by_email(request.email), "reset_password", requested=requested
            )
        case MailPurpose.RESET_REQUIRED:
            return _build_reset_mail(session, await users.get_by_email(request.email), "reset_required")
        case MailPurpose.MAGIC_LINK:
            return _build_magic_link_mail(session, await users.get_by_email(request.email), request)
        case MailPurpose.CONFIRM_EMAIL:
            return await _build_confirmation_mail(session, users, request)
        case purpose:
            return await _build_notice_mail(users, purpose, request)


def build_already_registered_mail(email: str, request: Registration | MailRequest) -> MailContent:
    return MailContent(email, "already_registered", link=page_url(RESET_PAGE), requested=_describe_request(request))


def page_url(page: str, token: str | None = None) -> str:
    """Return the absolute URL of a page, based on PUBLIC_URL."""
    url = load(CoreSettings).public_url + page
    return f"{url}?{urlencode({'token': token})}" if token else url


def format_duration(lifetime: timedelta) -> str:
    """Format a duration, such as `24 hours` or `60 minutes`."""
    minutes = round(lifetime.total_seconds() / 60)
    amount, unit = (minutes // 60, "hour") if minutes > 60 and minutes % 60 == 0 else (minutes, "minute")
    return f"{amount} {unit}{'' if amount == 1 else 's'}"


def _build_reset_mail(session: Session, user: User | None, template: str, **more: str) -> MailContent | None:
    if user is None or not user.is_active:
        return None
    lifetime = load(AuthSettings).reset_link_lifetime
    address = page_url(RESET_PAGE, _create_token(session, MailPurpose.RESET_PASSWORD, user.id, lifetime))
    return MailContent(
        user.email, template, name=user.full_name, link=address, expires_in=format_duration(lifetime), **more
    )


def _build_magic_link_mail(session: Session, user: User | None, request: MailRequest) -> MailContent | None:
    """Earlier links stay valid until they expire; otherwise a stranger's request would revoke the owner's link."""
    if user is None or not user.is_active:
        return None
    lifetime = load(AuthSettings).magic_link_lifetime
    token = _create_token(session, MailPurpose.MAGIC_LINK, user.id, lifetime, request.handle_hash)
    return MailContent(
        user.email,
        "magic_link",
        name=user.full_name,
        link=page_url(MAGIC_LINK_PAGE, token),
        expires_in=format_duration(lifetime),
        requested=_describe_request(request),
    )


async def _build_confirmation_mail(session: Session, users: UserRepository, request: MailRequest) -> MailContent | None:
    owner = await users.get_by_email(request.email)
    if owner is not None:
        return None if owner.id == request.user_id else build_already_registered_mail(request.email, request)
    lifetime = load(AuthSettings).verify_link_lifetime
    address = page_url(CONFIRM_PAGE, _create_token(session, MailPurpose.CONFIRM_EMAIL, request.id, lifetime))
    return MailContent(
        request.email,
        "confirm_email",
        link=address,
        expires_in=format_duration(lifetime),
        requested=_describe_request(request),
    )


async def _build_notice_mail(users: UserRepository, purpose: MailPurpose, request: MailRequest) -> MailContent:
    data: dict[str, Any] = {
        "name": request.full_name,
        "when": _format_time(request.created_at),
        "where": _describe_origin(request),
    }
    if purpose is MailPurpose.EMAIL_CHANGED and request.user_id:
        user = await users.find(request.user_id)
        data["new_email"] = user.email if user else "another address"
    security_notices = (MailPurpose.PASSWORD_CHANGED, MailPurpose.PASSWORD_WAS_RESET)
    data["link"] = page_url(RESET_PAGE) if purpose in security_notices else load(CoreSettings).public_url
    return MailContent(request.email, purpose.value, **data)


def _create_token(
    session: Session, purpose: MailPurpose, subject_id: UUID, lifetime: timedelta, handle_hash: bytes | None = None
) -> str:
    """Add a token to the session and return it. Only its hash is stored."""
    token = new_token()
    session.add(
        MailToken(
            token_hash=hash_token(token),
            purpose=purpose,
            subject_id=subject_id,
            expires_at=utc_now() + lifetime,
            handle_hash=handle_hash,
        )
    )
    return token


def _describe_request(request: Registration | MailRequest) -> TrustedText:
    """Describe a request: `3 May 2026 at 10:00 UTC from 192.0.2.1 (Firefox on Linux)`.

    Contains no text that the requester can choose, because the address may belong to another person.
    """
    program = describe_user_agent(request.user_agent)
    words = [_format_time(request.created_at), request.ip and f"from {request.ip}", program and f"({program})"]
    return TrustedText(" ".join(filter(None, words)))


def _describe_origin(request: MailRequest) -> TrustedText:
    """Describe the origin of a request: `192.0.2.1 (Firefox on Linux)`; empty if unknown."""
    program = describe_user_agent(request.user_agent)
    return TrustedText(" ".join(filter(None, [request.ip, program and f"({program})"])))


def _format_time(when: datetime) -> str:
    return f"{when:%d %B %Y at %H:%M} UTC"
