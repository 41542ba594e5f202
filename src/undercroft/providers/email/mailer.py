"""The way out for a product's mails: renders, addresses and hands over to the provider."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

import structlog

from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.address import Address
from undercroft.providers.email.message import Attachment, EmailMessage
from undercroft.providers.email.protocol import DeliveryResult, EmailProvider
from undercroft.providers.email.sanitizer import sanitize_data
from undercroft.providers.email.settings import EmailProviderName, EmailSettings
from undercroft.providers.email.templates import render

log = structlog.get_logger("undercroft.application")

Recipients = str | Address | Sequence[str | Address]


class ComposeOptions(TypedDict, total=False):
    """What a mail may have besides its template."""

    key: str | UUID | None
    attachments: Sequence[Attachment]
    headers: Mapping[str, str]
    unsubscribe_url: str | None
    reply_to: str | None


class Mailer:
    """Mails of this installation, through the provider that EMAIL_PROVIDER names."""

    def __init__(self, provider: EmailProvider, settings: EmailSettings) -> None:
        self.provider = provider
        self._settings = settings

    async def send(
        self, to: Recipients, template: str, data: Mapping[str, Any], **options: Unpack[ComposeOptions]
    ) -> str:
        """Render a template and send it; takes the options of `compose`, answers with the Message-ID.

        Raises `InvalidMessage` and `DeliveryRefused` (trying again cannot help) and `DeliveryDeferred` (try again).
        """
        return await self.send_raw(await self.compose(to, template, data, **options))

    async def send_raw(self, message: EmailMessage) -> str:
        """Send a mail that was put together by hand; raises as `send` does."""
        (outcome,) = await self.send_bulk([message])
        if outcome is not None:
            raise outcome
        return message.message_id

    async def send_bulk(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        """Send many over one connection. One outcome per mail: None, or the error that `send` would have raised."""
        outcomes = await self.provider.deliver(messages)
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome is None:
                log.info("email.sent", message_id=message.message_id)
            else:
                log.warning("email.failed", message_id=message.message_id, outcome=type(outcome).__name__)
        return outcomes

    async def compose(
        self, to: Recipients, template: str, data: Mapping[str, Any], **options: Unpack[ComposeOptions]
    ) -> EmailMessage:
        """A template as a complete mail. Templates know `app_name`, `public_url`, `unsubscribe_url` and the data.

        Texts in the data are taken for what users typed: links and addresses are taken out of them, they are cut
        after 60 characters. Values named `…link`, `…url` and `…email`, and those that are `TrustedText`, stay as they
        are.

        `key` makes the Message-ID: give the job's id, and a retried job sends the same mail and not another one.
        """
        sender, key = self._settings.sender, options.get("key")
        rendered = await asyncio.to_thread(
            render, template, {**_template_context(options.get("unsubscribe_url")), **sanitize_data(data)}
        )
        reply_to = options.get("reply_to") or self._settings.email_reply_to
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
            message_id=f"<{key}@{sender.domain}>" if key else "",
        )


def make_provider(settings: EmailSettings) -> EmailProvider:
    """The provider that the settings name; only its module is imported."""
    match settings.provider:
        case EmailProviderName.SMTP:
            from undercroft.providers.email.smtp import SmtpProvider

            return SmtpProvider(settings)
        case EmailProviderName.MAILBOX:
            from undercroft.providers.email.mailbox import MailboxProvider

            return MailboxProvider(settings.email_mailbox_folder, size=settings.email_mailbox_size)
        case EmailProviderName.CONSOLE:
            from undercroft.providers.email.console import ConsoleProvider

            return ConsoleProvider()


_current: tuple[EmailSettings, Mailer] | None = None


def get_mailer() -> Mailer:
    """The mails of this process, made anew when the settings were."""
    global _current
    settings = load(EmailSettings)
    if _current is None or _current[0] is not settings:
        _current = settings, Mailer(make_provider(settings), settings)
    return _current[1]


def _addresses(to: Recipients) -> tuple[Address, ...]:
    if isinstance(to, (str, Address)):
        return (Address.parse(to),)
    return tuple(Address.parse(each) for each in to)


def _template_context(unsubscribe_url: str | None) -> dict[str, Any]:
    core = load(CoreSettings)
    return {"app_name": core.app_name, "public_url": core.public_url, "unsubscribe_url": unsubscribe_url}
