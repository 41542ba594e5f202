"""Shows the emails that the `mailbox` provider stored, at /dev/mailbox; in development and tests only."""

from undercroft.modules.mailbox.availability import enabled

__all__ = ["enabled"]
