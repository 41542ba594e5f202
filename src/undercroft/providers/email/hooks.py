"""The decision about an email."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from undercroft.core.context import current_context
from undercroft.core.db import Database, Session
from undercroft.core.errors import AppError
from undercroft.core.hooks import HookPoint, decide, hooks_of
from undercroft.jobs import current_job
from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import DeliveryDeferred, DeliveryRefused, EmailError
from undercroft.providers.email.message import EmailMessage


class OutgoingEmail(HookPoint, frozen=True, kw_only=True):
    """An email is about to be sent, usually by a job. `template` is that of `Mailer.send`, such as `auth/verify`.

    The session is a transaction of its own, in the job if there is one. A rejected email is not sent: its job fails
    with the error of the hook and is not retried, except after a timeout or an unexpected error. The recipients cannot
    be amended, because emails contain links that sign in.
    """

    template: str
    message_id: str
    to: tuple[Address, ...]
    subject: str
    text: str
    html: str | None
    reply_to: tuple[Address, ...]
    headers: dict[str, str]

    amendable = ("subject", "text", "html", "reply_to", "headers")


async def decide_email(message: EmailMessage) -> EmailMessage | EmailError:
    """Return the email as the hooks amended it, or the error that prevents it."""
    if not hooks_of(OutgoingEmail):
        return message
    email = OutgoingEmail(
        template=message.template,
        message_id=message.message_id,
        to=message.to,
        subject=message.subject,
        text=message.text,
        html=message.html,
        reply_to=message.reply_to,
        headers=dict(message.headers),
    )
    try:
        async with _open_session() as session:
            decided = await decide(session, email)
        return replace(message, **{name: getattr(decided, name) for name in OutgoingEmail.amendable})
    except AppError as error:
        kind = DeliveryDeferred if error.status >= 500 else DeliveryRefused
        return kind(f"{error.code}: {error.text}")
    except EmailError as error:
        return error


def _open_session() -> AbstractAsyncContextManager[Session]:
    try:
        return current_job().session()
    except LookupError:
        return current_context().get(Database).session()
