"""Routes of identities."""

from undercroft.modules.identities.routes.auth import identities, social
from undercroft.modules.identities.routes.public import webhooks

__all__ = ["identities", "social", "webhooks"]
