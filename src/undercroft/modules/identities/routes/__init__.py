"""Routes of identities."""

from undercroft.modules.identities.routes.identities import identities
from undercroft.modules.identities.routes.social import social
from undercroft.modules.identities.routes.webhooks import webhooks

__all__ = ["identities", "social", "webhooks"]
