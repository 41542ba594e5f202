"""Where there is a mailbox at all."""

from undercroft.core.settings import CoreSettings, load
from undercroft.providers.email.settings import EmailProviderName, EmailSettings


def enabled() -> bool:
    """Never in production, and only when mails are kept instead of sent. Elsewhere the routes do not exist."""
    return not load(CoreSettings).is_production and load(EmailSettings).provider is EmailProviderName.MAILBOX
