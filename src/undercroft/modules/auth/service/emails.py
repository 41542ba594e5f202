"""Requests emails in the transaction of the change that they are about, and builds them when a job sends them.

The job looks up whether the address has an account. Requests never do, so that neither the body nor the timing of a
response reveals it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Session, utc_now
from undercroft.core.http.settings import HttpSettings
from undercroft.core.http.user_agents import describe_user_agent
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import enqueue
from undercroft.modules.auth.models import MailPurpose, MailRequest, MailToken, Registration
from undercroft.modules.auth.repository import RegistrationRepository, ThrottleRepository
from undercroft.modules.auth.service.throttle import hash_key
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.sessions import Client, Device
from undercroft.modules.users import User, UserRepository
from undercroft.providers.email import TrustedText

MAIL_REQUEST_RETENTION = timedelta(days=7)
MAX_LINK_MAILS = 5


class LinkPage(StrEnum):
    """Paths of the pages that emailed links open."""

    VERIFY_EMAIL = "/verify-email"
    RESET_PASSWORD = "/reset-password"  # noqa: S105
    CONFIRM_EMAIL = "/confirm-email"
    MAGIC_LINK = "/magic-link"


NOTICES = (
    MailPurpose.WELCOME,
    MailPurpose.PASSWORD_CHANGED,
    MailPurpose.PASSWORD_WAS_RESET,
    MailPurpose.EMAIL_CHANGED,
    MailPurpose.ACCOUNT_DELETED,
)
"""Emails without a token."""


class MailContent(Struct, frozen=True):
    """The recipient, template and template data of an email."""

    to: str
    template: str
    data: dict[str, Any]

    def __repr__(self) -> str:
        return f"<MailContent {self.template}>"


async def allow_mail(session: Session, purpose: MailPurpose, email: str, device: Device) -> bool:
    """Count an email with a link; False if it must not be sent.

    The limit is `MAX_LINK_MAILS` in half of the link's lifetime, at most an hour. A request above the limit succeeds
    without an email: the recipient has recent links that still work, and a stranger who sends many requests neither
    blocks the owner nor floods the mailbox. Known devices of the account are counted separately.
    """
    window = min(link_lifetime(purpose) / 2, timedelta(hours=1))
    known_handle = device.handle if device.has_account(email) else ""
    key, now = hash_key("mail", purpose, email, known_handle), utc_now()
    sent = await ThrottleRepository(session).count_mail(key, now, since=now - window)
    return sent <= max(1, int(MAX_LINK_MAILS * load(HttpSettings).scale))


async def request_link_mail(session: Session, purpose: MailPurpose, email: str, client: Client, *, action: str) -> None:
    """Request an email with a link, unless too many were sent recently. Either way, the audit log gets the action."""
    request_id = None
    if await allow_mail(session, purpose, email, client.device):
        request_id = await request_mail(session, purpose, email, client=client)
    await record(session, Entry(action, None, "mail_request", request_id, person_id=person_id_for_email(email)))


async def request_mail_to_user(
    session: Session, purpose: MailPurpose, user: User, *, client: Client | None = None
) -> None:
    """Request an email to a user; arguments as in `request_mail`."""
    await request_mail(session, purpose, user.email, user_id=user.id, full_name=user.full_name, client=client)


async def request_mail(
    session: Session,
    purpose: MailPurpose,
    email: str,
    *,
    user_id: UUID | None = None,
    full_name: str = "",
    client: Client | None = None,
) -> UUID:
    """Request an email and return its ID. It is sent after the session's transaction commits.

    `client` is the requesting client, for emails that mention it.
    """
    from undercroft.modules.auth.tasks import send_mail  # imported late: callers of this module do not need the tasks

    request = MailRequest(
        purpose=purpose,
        email=email,
        user_id=user_id,
        full_name=full_name,
        expires_at=utc_now() + MAIL_REQUEST_RETENTION,
        **(client.request_columns() if client is not None else {}),
    )
    session.add(request)
    await enqueue(session, send_mail, request_id=request.id)
    return request.id


async def build_verification_mail(session: Session, registration: Registration | None) -> MailContent | None:
    if registration is None or registration.expires_at <= utc_now():
        return None
    requested = _describe_request(registration)
    if await UserRepository(session).get_by_email(registration.email) is not None:
        return _build_already_registered_mail(registration.email, requested)
    lifetime = link_lifetime(MailPurpose.VERIFY_EMAIL)
    registration.expires_at = max(registration.expires_at, utc_now() + lifetime)
    return _build_link_mail(
        session, LinkPage.VERIFY_EMAIL, registration.id, registration.email, "verify", requested=requested
    )


async def build_mail(session: Session, request: MailRequest) -> MailContent | None:
    users, purpose = UserRepository(session), MailPurpose(request.purpose)
    if purpose in NOTICES:
        return await _build_notice_mail(users, purpose, request)
    owner, requested = await users.get_by_email(request.email), _describe_request(request)
    if purpose is MailPurpose.ALREADY_REGISTERED:
        return _build_already_registered_mail(request.email, requested) if owner is not None else None
    if purpose in (MailPurpose.VERIFY_EMAIL, MailPurpose.CONFIRM_EMAIL):
        if owner is not None:
            return None if owner.id == request.user_id else _build_already_registered_mail(request.email, requested)
        if purpose is MailPurpose.VERIFY_EMAIL:
            registration = await RegistrationRepository(session).find_latest(request.email, request.handle_hash)
            return await build_verification_mail(session, registration)
        return _build_link_mail(
            session, LinkPage.CONFIRM_EMAIL, request.id, request.email, "confirm_email", requested=requested
        )
    if owner is None or not owner.is_active:
        return None
    # Earlier links stay valid until they expire; otherwise a stranger's request would revoke the owner's link.
    is_magic_link = purpose is MailPurpose.MAGIC_LINK
    page, handle = (LinkPage.MAGIC_LINK, request.handle_hash) if is_magic_link else (LinkPage.RESET_PASSWORD, None)
    data = {"name": owner.full_name} | ({} if purpose is MailPurpose.RESET_REQUIRED else {"requested": requested})
    return _build_link_mail(session, page, owner.id, owner.email, purpose.value, handle_hash=handle, **data)


async def create_sign_up_link(session: Session, email: str, *, expires_at: datetime) -> str:
    """Return a link to email to an invited address, which verifies it and creates the account.

    The hooks of `SignUp` decide when it is opened. With an external `AUTH_PROVIDER`, the user signs up there.
    """
    from undercroft.providers.identity import IdentitySettings

    if load(IdentitySettings).is_external:
        return load(CoreSettings).public_url
    registration = Registration(email=email, password_hash="", expires_at=expires_at)
    session.add(registration)
    return page_url(LinkPage.VERIFY_EMAIL, _add_token(session, MailPurpose.VERIFY_EMAIL, registration.id, expires_at))


def link_lifetime(purpose: MailPurpose) -> timedelta:
    settings = load(AuthSettings)
    if purpose is MailPurpose.RESET_PASSWORD:
        return timedelta(minutes=settings.reset_link_minutes)
    if purpose is MailPurpose.MAGIC_LINK:
        return timedelta(minutes=settings.magic_link_minutes)
    return timedelta(hours=settings.verify_link_hours)


def page_url(page: LinkPage, token: str | None = None) -> str:
    """Return the absolute URL of a page, based on PUBLIC_URL."""
    url = load(CoreSettings).public_url + page
    return f"{url}?{urlencode({'token': token})}" if token else url


def format_duration(lifetime: timedelta) -> str:
    minutes = round(lifetime.total_seconds() / 60)
    amount, unit = (minutes // 60, "hour") if minutes > 60 and minutes % 60 == 0 else (minutes, "minute")
    return f"{amount} {unit}{'' if amount == 1 else 's'}"


def _build_link_mail(
    session: Session,
    page: LinkPage,
    subject_id: UUID,
    to: str,
    template: str,
    *,
    handle_hash: bytes | None = None,
    **data: str,
) -> MailContent:
    """Add a token to the session, and build the email with its link. Only the token's hash is stored."""
    purpose = MailPurpose[page.name]
    lifetime = link_lifetime(purpose)
    token = _add_token(session, purpose, subject_id, utc_now() + lifetime, handle_hash)
    link = {"link": page_url(page, token), "expires_in": format_duration(lifetime)}
    return MailContent(to, template, link | data)


def _add_token(
    session: Session, purpose: MailPurpose, subject_id: UUID, expires_at: datetime, handle_hash: bytes | None = None
) -> str:
    token = new_token()
    session.add(
        MailToken(
            token_hash=hash_token(token),
            purpose=purpose,
            subject_id=subject_id,
            expires_at=expires_at,
            handle_hash=handle_hash,
        )
    )
    return token


def _build_already_registered_mail(email: str, requested: TrustedText) -> MailContent:
    return MailContent(email, "already_registered", {"link": page_url(LinkPage.RESET_PASSWORD), "requested": requested})


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
    data["link"] = page_url(LinkPage.RESET_PASSWORD) if purpose in security_notices else load(CoreSettings).public_url
    return MailContent(request.email, purpose.value, data)


def _describe_request(request: Registration | MailRequest) -> TrustedText:
    """Describe a request: `3 May 2026 at 10:00 UTC from 192.0.2.1 (Firefox on Linux)`.

    Contains no text that the requester can choose, because the address may belong to another person.
    """
    program = describe_user_agent(request.user_agent)
    words = [_format_time(request.created_at), request.ip and f"from {request.ip}", program and f"({program})"]
    return TrustedText(" ".join(filter(None, words)))


def _describe_origin(request: MailRequest) -> TrustedText:
    program = describe_user_agent(request.user_agent)
    return TrustedText(" ".join(filter(None, [request.ip, program and f"({program})"])))


def _format_time(when: datetime) -> str:
    return f"{when:%d %B %Y at %H:%M} UTC"
