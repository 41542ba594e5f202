"""Whether the mailbox is enabled."""

from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.settings import EmailProviderName, EmailSettings


def is_mailbox_enabled() -> bool:
    """Whether emails are stored instead of sent, which is never so in production. Otherwise no routes are added."""
    return not load(CoreSettings).is_production and load(EmailSettings).provider is EmailProviderName.MAILBOX
