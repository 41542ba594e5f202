"""Shows the emails that the `mailbox` provider stored, at /dev/mailbox; in development and tests only."""

from undercroft.core import Module
from undercroft.modules.mailbox.dependencies import is_mailbox_enabled

MODULE = Module(is_enabled=is_mailbox_enabled, optional=True)
