"""Mails about second factors, asked for in the transaction of what they tell of."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.modules.auth import RESET_PAGE, page_url


class MfaNotification(StrEnum):
    """Named as its template."""

    MFA_ENABLED = "mfa_enabled"
    MFA_DISABLED = "mfa_disabled"
    MFA_RESET = "mfa_reset"
    MFA_FAILED = "mfa_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_CLONED = "passkey_cloned"
    FACTOR_REMOVED = "factor_removed"


async def notify(session: Session, user_id: UUID, notice: MfaNotification, **facts: str) -> None:
    """Have a mail written to somebody once the session's transaction has committed."""
    await users.notify(session, user_id, notice, reset_link=page_url(RESET_PAGE), **facts)
