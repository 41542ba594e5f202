"""Where signing in asks for a second factor. Whoever keeps second factors binds itself here when the process starts."""

from typing import NoReturn, Protocol

from undercroft.core.db import Session
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import MfaRequired
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.users import User


class SecondFactor(Protocol):
    async def ask(self, session: Session, user: User, client: Client, kind: SessionKind) -> MfaRequired:
        """Keep in mind, in the session's transaction, who has done the first step; the refusal that tells how to go on.

        The kind of session that was asked for is begun when the second step is done.
        """
        ...


_bound: SecondFactor | None = None


def bind(second_factor: SecondFactor) -> None:
    """Ask here from now on."""
    global _bound
    _bound = second_factor


async def demand(session: Session, user: User, client: Client, kind: SessionKind) -> NoReturn:
    """Raises `MfaRequired`. Nobody gets in where nobody can ask: raises `RuntimeError` then."""
    if _bound is None:
        raise RuntimeError("There are second factors, but nothing that asks for them was started.")
    raise await _bound.ask(session, user, client, kind)
