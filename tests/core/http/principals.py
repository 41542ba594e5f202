"""Callers in tests of applications without users."""

from collections.abc import Collection
from typing import Any

from undercroft.core.auth import Authenticator, PlatformRole, Principal
from undercroft.core.errors import Unauthorized
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id


class FixedAuthenticator:
    """Authenticates every caller as the same user; without a role, no caller."""

    def __init__(self, role: PlatformRole | None, permissions: Collection[str]) -> None:
        self.role = role
        self.permissions = frozenset(permissions)

    async def authenticate(self, _request: Any) -> Principal:
        if self.role is None:
            raise Unauthorized
        return Principal(new_id(), new_id(), self.role, new_id(), self.permissions)

    def known_device(self, _request: Any) -> str | None:
        return None

    verified_subject = known_device


def sign_in(app: Api, *, permissions: Collection[str] = (), role: PlatformRole | None = PlatformRole.USER) -> None:
    """Make every caller a user with these permissions; with the role None, let authentication fail."""
    app.context.add(Authenticator, FixedAuthenticator(role, permissions))
