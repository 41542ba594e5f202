"""Whom one can sign in with besides us, as links for a page."""

from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct

from undercroft.core.auth import Surface
from undercroft.modules.identities import Connections


class SocialLink(Struct, frozen=True):
    label: str
    address: str


def social_links(connections: Connections, wanted: str) -> Sequence[SocialLink]:
    """One for each provider that is on; each comes back to the page that was wanted."""
    query = urlencode({"return_to": wanted})
    base = f"{Surface.AUTH.prefix}/social"
    return [SocialLink(each.label, f"{base}/{each.name}?{query}") for each in connections.social.values()]
