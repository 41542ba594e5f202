"""Sends emails over SMTP (RFC 5321) with STARTTLS (RFC 3207) or implicit TLS (RFC 8314)."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from aiosmtplib.response import SMTPResponse

from undercroft.core.errors import ConfigurationError
from undercroft.providers.email.errors import DeliveryDeferred, DeliveryRefused, DeliveryResult, EmailError
from undercroft.providers.email.message import EmailMessage
from undercroft.providers.email.settings import EmailSettings, SmtpSecurity

AUTH_ERROR_CODES = frozenset({530, 534, 535, 538})
"""Authentication errors (RFC 4954, section 6): the email can be sent once the settings are fixed."""

QUIT_TIMEOUT = 2.0


class SmtpProvider:
    """Opens one connection per call of `deliver`. None is reused between calls, because idle connections go stale."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None

    async def deliver(self, messages: Sequence[EmailMessage]) -> list[DeliveryResult]:
        client: aiosmtplib.SMTP | None = None
        outcomes: list[DeliveryResult] = []
        try:
            for message in messages:
                try:
                    client = client if client and client.is_connected else await self._connect()
                except EmailError as error:
                    return outcomes + [error] * (len(messages) - len(outcomes))
                outcomes.append(await self._send(client, message))
        finally:
            await _quit(client)
        return outcomes

    async def check(self) -> None:
        await _quit(await self._connect())

    async def _connect(self) -> aiosmtplib.SMTP:
        """Open a secured and authenticated connection. Every failure raises `DeliveryDeferred`: no email caused it."""
        client = await self._client()
        try:
            async with asyncio.timeout(self._settings.smtp_timeout):
                await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            message = f"The mail server at {client.hostname} cannot be used: {_describe(error)}"
            raise DeliveryDeferred(message) from error
        return client

    async def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if not settings.smtp_host:
            raise ConfigurationError("SMTP_HOST is not set. Set it to your SMTP server.")
        if self._tls is None and settings.smtp_security is not SmtpSecurity.NONE:
            self._tls = await asyncio.to_thread(self._create_tls_context)
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port or settings.smtp_security.port,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            use_tls=settings.smtp_security is SmtpSecurity.TLS,
            start_tls=settings.smtp_security is SmtpSecurity.STARTTLS,
            tls_context=self._tls,
            timeout=settings.smtp_timeout,
        )

    def _create_tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._settings.smtp_ca_file:
            try:
                context.load_verify_locations(cafile=self._settings.smtp_ca_file)
            except OSError as error:
                raise ConfigurationError(
                    f"SMTP_CA_FILE {self._settings.smtp_ca_file} cannot be read: {error}. Set it to a PEM file."
                ) from None
        return context

    async def _send(self, client: aiosmtplib.SMTP, message: EmailMessage) -> DeliveryResult:
        """Send one email. After an error the connection is closed, so that the next email gets a new one."""
        options = ["SMTPUTF8"] if message.needs_smtputf8 else []
        try:
            async with asyncio.timeout(self._settings.smtp_timeout):
                rejected, _ = await client.sendmail(
                    message.sender.email, message.recipients, message.to_bytes(), mail_options=options
                )
        except aiosmtplib.SMTPNotSupported:
            return DeliveryRefused("The mail server does not support non-ASCII addresses (SMTPUTF8).")
        except SMTPRecipientsRefused as error:
            return _most_retryable(SMTPResponse(each.code, each.message) for each in error.recipients)
        except SMTPResponseException as error:
            return _classify_reply(SMTPResponse(error.code, error.message))
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            return DeliveryDeferred(f"The mail server did not accept the email: {_describe(error)}")
        return _most_retryable(rejected.values()) if rejected else None


def _classify_reply(reply: SMTPResponse) -> EmailError:
    text = f"The mail server responded {reply.code} {reply.message}"
    is_permanent = 500 <= reply.code < 600 and reply.code not in AUTH_ERROR_CODES
    return DeliveryRefused(text) if is_permanent else DeliveryDeferred(text)


def _most_retryable(replies: Iterable[SMTPResponse]) -> EmailError:
    """Return a retryable error if there is one among the recipients' errors, so that a retry can reach them."""
    errors = [_classify_reply(reply) for reply in replies]
    return next((error for error in errors if isinstance(error, DeliveryDeferred)), errors[0])


def _describe(error: BaseException) -> str:
    """Return a readable reason, also for errors without a message such as timeouts."""
    if isinstance(error, TimeoutError):
        return "it did not respond in time."
    if isinstance(error, SMTPResponseException):
        return f"it responded {error.code} {error.message}"
    return str(error) or type(error).__name__


async def _quit(client: aiosmtplib.SMTP | None) -> None:
    if client is None:
        return
    with suppress(SMTPException, OSError):
        async with asyncio.timeout(QUIT_TIMEOUT):
            await client.quit()
    client.close()


create = SmtpProvider
