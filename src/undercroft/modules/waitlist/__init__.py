"""The waiting list: while SIGN_UP_POLICY is `waitlist`, new users join it instead of getting an account.

Administrators invite entries, oldest first or one by one. The owner of an invited address can then sign up in any way,
also while sign-up is by invitation.
"""

from undercroft.core import Module
from undercroft.modules.waitlist.errors import WaitlistEntryNotFound
from undercroft.modules.waitlist.models import WaitlistState
from undercroft.modules.waitlist.service import WaitlistService

MODULE = Module(requires=("users", "auth", "system_settings"), optional=True)

__all__ = ["MODULE", "WaitlistEntryNotFound", "WaitlistService", "WaitlistState"]
