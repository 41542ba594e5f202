"""The people: who they are, what they are on the platform, and whether they may come in."""

from undercroft.modules.users.events import UserDeactivated, UserDeleted, UserRegistered
from undercroft.modules.users.models import User

__all__ = ["User", "UserDeactivated", "UserDeleted", "UserRegistered"]
