"""Exemptions from tests of tenant isolation."""

SHARED_IDS = {"mail_id": "the mailbox is shared and exists only in development"}
