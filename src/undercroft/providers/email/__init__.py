"""Outgoing email through the provider that EMAIL_PROVIDER selects: `await get_mailer().send(to, template, data)`."""

from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import (
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryResult,
    EmailError,
    InvalidMessage,
)
from undercroft.providers.email.hooks import OutgoingEmail
from undercroft.providers.email.mailer import EmailProvider, Mailer, get_mailer, make_provider
from undercroft.providers.email.message import Attachment, EmailMessage
from undercroft.providers.email.sanitizer import TrustedText
from undercroft.providers.email.settings import EmailSettings, SmtpSecurity
from undercroft.providers.email.templates import EmailTemplates

__all__ = [
    "Address",
    "Attachment",
    "DeliveryDeferred",
    "DeliveryRefused",
    "DeliveryResult",
    "EmailError",
    "EmailMessage",
    "EmailProvider",
    "EmailSettings",
    "EmailTemplates",
    "InvalidMessage",
    "Mailer",
    "OutgoingEmail",
    "SmtpSecurity",
    "TrustedText",
    "get_mailer",
    "make_provider",
]
