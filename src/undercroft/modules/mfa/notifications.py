"""Emails about second factors, enqueued in the transaction of the change."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.modules.auth import RESET_PAGE, page_url


class MfaNotification(StrEnum):
    """The value is the name of the email template."""

    MFA_ENABLED = "mfa_enabled"
    MFA_DISABLED = "mfa_disabled"
    MFA_RESET = "mfa_reset"
    MFA_FAILED = "mfa_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_CLONED = "passkey_cloned"
    FACTOR_REMOVED = "factor_removed"


async def notify(session: Session, user_id: UUID, template: MfaNotification, **data: str) -> None:
    """Enqueue an email to a user; it is sent after the session's transaction commits."""
    await users.notify(session, user_id, template, reset_link=page_url(RESET_PAGE), **data)
