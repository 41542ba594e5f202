"""Shows the mails that the `mailbox` provider kept, at /dev/mailbox; in development and tests only."""

from undercroft.modules.mailbox.availability import enabled

__all__ = ["enabled"]
