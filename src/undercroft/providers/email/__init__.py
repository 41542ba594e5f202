"""Outgoing email through the provider that EMAIL_PROVIDER selects: `await get_mailer().send(to, template, data)`."""

from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import DeliveryDeferred, DeliveryRefused, EmailError, InvalidMessage
from undercroft.providers.email.mailer import Mailer, get_mailer, make_provider
from undercroft.providers.email.message import Attachment, EmailMessage
from undercroft.providers.email.protocol import DeliveryResult, EmailProvider
from undercroft.providers.email.sanitizer import TrustedText
from undercroft.providers.email.settings import EmailProviderName, EmailSettings, SmtpSecurity
from undercroft.providers.email.templates import add_templates

__all__ = [
    "Address",
    "Attachment",
    "DeliveryDeferred",
    "DeliveryRefused",
    "DeliveryResult",
    "EmailError",
    "EmailMessage",
    "EmailProvider",
    "EmailProviderName",
    "EmailSettings",
    "InvalidMessage",
    "Mailer",
    "SmtpSecurity",
    "TrustedText",
    "add_templates",
    "get_mailer",
    "make_provider",
]
