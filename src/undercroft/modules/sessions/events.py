"""Events of sessions, published in the transaction of the change."""

from uuid import UUID

from undercroft.core.events import Event
from undercroft.modules.sessions.service.interfaces import FirstFactor


class SignedIn(Event, frozen=True):
    """Published when a session has started, after all required factors."""

    user_id: UUID
    first_factor: FirstFactor
