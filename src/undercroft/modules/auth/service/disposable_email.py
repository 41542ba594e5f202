"""Rejects addresses at disposable email domains, if configured.

Only the domain is checked, so a rejection reveals nothing about accounts.
"""

from functools import lru_cache

from undercroft.core.extras import require_extra
from undercroft.core.settings import load
from undercroft.core.validation.email import split_email
from undercroft.modules.auth.errors import DisposableEmail
from undercroft.modules.auth.settings import DisposableMail, DisposableMailSettings


def require_permanent_email(email: str) -> None:
    """Raise `DisposableEmail` for an address at a listed domain or subdomain, if DISPOSABLE_MAIL is `refuse`."""
    if load(DisposableMailSettings).disposable_mail is DisposableMail.ALLOW:
        return
    domain = split_email(email, public=True)[2].lower()
    if is_disposable(domain):
        raise DisposableEmail(details={"domain": domain})


def is_disposable(domain: str) -> bool:
    """Whether the domain or a parent domain is listed, and none of them is allowed."""
    settings = load(DisposableMailSettings)
    parts = domain.split(".")
    candidates = {".".join(parts[start:]) for start in range(len(parts) - 1)}
    if candidates & set(settings.disposable_mail_allowed):
        return False
    return bool(candidates & (known_domains() | set(settings.disposable_mail_domains)))


@lru_cache(maxsize=1)
def known_domains() -> frozenset[str]:
    """Return the domains in the package `disposable-email-domains`. Raises `ConfigurationError` if it is missing."""
    require_extra("disposable_email_domains", "disposable-mail", "DISPOSABLE_MAIL=refuse needs a list of domains")
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


def prepare() -> None:
    """Load the list at startup, so that no request waits for it. Raises `ConfigurationError`."""
    if load(DisposableMailSettings).disposable_mail is DisposableMail.REFUSE:
        known_domains()
