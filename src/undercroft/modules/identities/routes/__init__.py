"""Identities over HTTP."""

from undercroft.modules.identities.routes.own import own
from undercroft.modules.identities.routes.social import social
from undercroft.modules.identities.routes.webhooks import webhooks

__all__ = ["own", "social", "webhooks"]
