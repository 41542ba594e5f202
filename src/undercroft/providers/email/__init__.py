"""Outgoing mail: `await email().send(to, template, data)`, through the provider that EMAIL_PROVIDER names."""

from undercroft.providers.email.address import Address
from undercroft.providers.email.errors import DeliveryDeferred, DeliveryRefused, EmailError, InvalidMessage
from undercroft.providers.email.message import Attachment, Message
from undercroft.providers.email.outgoing import Email, email, make_provider
from undercroft.providers.email.protocol import EmailProvider, Outcome
from undercroft.providers.email.settings import EmailProviderName, EmailSettings, SmtpSecurity
from undercroft.providers.email.templates import add_templates
from undercroft.providers.email.user_text import Verbatim

__all__ = [
    "Address",
    "Attachment",
    "DeliveryDeferred",
    "DeliveryRefused",
    "Email",
    "EmailError",
    "EmailProvider",
    "EmailProviderName",
    "EmailSettings",
    "InvalidMessage",
    "Message",
    "Outcome",
    "SmtpSecurity",
    "Verbatim",
    "add_templates",
    "email",
    "make_provider",
]
