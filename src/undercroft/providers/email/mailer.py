"""Composes emails from templates and sends them through the provider."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict, Unpack
from urllib.parse import quote
from uuid import UUID

import structlog

from undercroft.core.adapters import find_adapter
from undercroft.core.context import current_context
from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import DeliveryResult
from undercroft.providers.email.hooks import decide_email
from undercroft.providers.email.message import Attachment, EmailMessage
from undercroft.providers.email.sanitizer import sanitize_data
from undercroft.providers.email.settings import KIND, EmailSettings
from undercroft.providers.email.templates import render

log = structlog.get_logger("undercroft.application")

Recipients = str | Address | Sequence[str | Address]


class EmailProvider(Protocol):
    """Delivers emails. Each provider has its own module in this package."""

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        """Deliver all messages, over one connection if the provider uses connections.

        Returns one result per message, in their order: None if it was accepted, else `DeliveryRefused` (permanent) or
        `DeliveryDeferred` (retry later). A failure does not stop the other messages. Raises `ConfigurationError` if the
        settings are invalid.
        """
        ...

    async def check(self) -> None:
        """Check without sending an email whether emails can be delivered. Raises the error that prevents it."""
        ...


class ComposeOptions(TypedDict, total=False):
    """Optional parts of an email."""

    key: str | UUID | None
    attachments: Sequence[Attachment]
    headers: Mapping[str, str]
    unsubscribe_url: str | None
    reply_to: str | None


class Mailer:
    """Sends emails through the provider that EMAIL_PROVIDER selects."""

    def __init__(self, provider: EmailProvider, settings: EmailSettings) -> None:
        self.provider = provider
        self.settings = settings

    async def send(
        self, to: Recipients, template: str, data: Mapping[str, Any], **options: Unpack[ComposeOptions]
    ) -> str:
        """Render a template, send it and return the Message-ID. Accepts the options of `compose`.

        Raises `InvalidMessage` and `DeliveryRefused` (permanent), and `DeliveryDeferred` (retry later).
        """
        return await self.send_raw(await self.compose(to, template, data, **options))

    async def send_raw(self, message: EmailMessage) -> str:
        """Send a composed email and return its Message-ID. Raises as `send` does."""
        (outcome,) = await self.send_bulk([message])
        if outcome is not None:
            raise outcome
        return message.message_id

    async def send_bulk(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        """Send several emails over one connection. Returns None or the error for each email, in their order.

        Hooks of `OutgoingEmail` can amend or reject each of them.
        """
        decided = [await decide_email(message) for message in messages]
        accepted = [message for message in decided if isinstance(message, EmailMessage)]
        delivered = iter(await self.provider.deliver(accepted) if accepted else ())
        outcomes = [next(delivered) if isinstance(each, EmailMessage) else each for each in decided]
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome is None:
                log.info("email.sent", message_id=message.message_id)
            else:
                log.warning("email.failed", message_id=message.message_id, outcome=type(outcome).__name__)
        return outcomes

    async def compose(
        self, to: Recipients, template: str, data: Mapping[str, Any], **options: Unpack[ComposeOptions]
    ) -> EmailMessage:
        """Compose an email from a template with `app_name`, `public_url`, `unsubscribe_url` and the data.

        Strings in the data are treated as user input: links and addresses are removed, and they are truncated to 60
        characters. Values named `…link`, `…url` or `…email`, and `TrustedText` values, are not changed.

        `key` determines the Message-ID. Use the job's ID, so that a retried job sends the same Message-ID, or such as
        `f"{job.id}:{invoice.id}"` if it sends several.
        """
        sender, key = self.settings.sender, options.get("key")
        rendered = await asyncio.to_thread(
            render, template, {**_template_context(options.get("unsubscribe_url")), **sanitize_data(data)}
        )
        reply_to = options.get("reply_to") or self.settings.email_reply_to
        return EmailMessage(
            sender=sender,
            to=_addresses(to),
            reply_to=(Address.parse(reply_to),) if reply_to else (),
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            headers={"Auto-Submitted": "auto-generated", **options.get("headers", {})},
            attachments=tuple(options.get("attachments", ())),
            unsubscribe_url=options.get("unsubscribe_url"),
            message_id=f"<{quote(str(key), safe='')}@{sender.domain}>" if key else "",
            template=template,
        )


def make_provider(settings: EmailSettings) -> EmailProvider:
    """Create the provider that the settings select. Only its module is imported. Raises `ConfigurationError`."""
    provider: EmailProvider = find_adapter(KIND, settings.provider, "EMAIL_PROVIDER")(settings)
    return provider


def get_mailer() -> Mailer:
    """Return the mailer of the current application; it is recreated when the settings are reloaded."""
    context, settings = current_context(), load(EmailSettings)
    mailer = context.find(Mailer)
    if mailer is None or mailer.settings is not settings:
        mailer = context.add(Mailer, Mailer(make_provider(settings), settings))
    return mailer


def _addresses(to: Recipients) -> tuple[Address, ...]:
    if isinstance(to, (str, Address)):
        return (Address.parse(to),)
    return tuple(Address.parse(each) for each in to)


def _template_context(unsubscribe_url: str | None) -> dict[str, Any]:
    core = load(CoreSettings)
    return {"app_name": core.app_name, "public_url": core.public_url, "unsubscribe_url": unsubscribe_url}
