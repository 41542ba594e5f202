"""Mailboxes that are thrown away after use: where they are refused, an account needs another address.

The domain alone decides, so a refusal tells nothing about accounts.
"""

from functools import lru_cache

from undercroft.core.errors import ConfigurationError, Unprocessable
from undercroft.core.settings import load
from undercroft.core.validation.email import split_email
from undercroft.modules.auth.settings import DisposableMail, DisposableMailSettings


class DisposableEmail(Unprocessable):
    code = "DISPOSABLE_EMAIL"
    message = "Addresses of this domain are thrown away after use. Take one that stays."


def require_permanent_email(email: str) -> None:
    """Raises `DisposableEmail` for an address of a listed domain or one below it, where those are refused."""
    if load(DisposableMailSettings).disposable_mail is DisposableMail.ALLOW:
        return
    domain = split_email(email, public=True)[2].lower()
    if is_disposable(domain):
        raise DisposableEmail(details={"domain": domain})


def is_disposable(domain: str) -> bool:
    """Whether this domain, or one above it, is listed and none of them is allowed."""
    settings = load(DisposableMailSettings)
    parts = domain.split(".")
    above = {".".join(parts[start:]) for start in range(len(parts) - 1)}
    if above & set(settings.disposable_mail_allowed):
        return False
    return bool(above & (known_domains() | set(settings.disposable_mail_domains)))


@lru_cache(maxsize=1)
def known_domains() -> frozenset[str]:
    """The list of the package `disposable-email-domains`. Raises `ConfigurationError` when it is not installed."""
    try:
        from disposable_email_domains import blocklist
    except ImportError:
        raise ConfigurationError(
            "DISPOSABLE_MAIL=refuse needs a list: pip install 'undercroft[disposable-mail]'. Or leave it at `allow`."
        ) from None
    return frozenset(blocklist)


def prepare() -> None:
    """Read the list when the process starts, not while somebody waits. Raises `ConfigurationError`."""
    if load(DisposableMailSettings).disposable_mail is DisposableMail.REFUSE:
        known_domains()
