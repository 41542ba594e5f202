"""Errors of the mailbox."""

from undercroft.core.errors import Forbidden, NotFound


class MailNotFound(NotFound):
    code = "MAIL_NOT_FOUND"
    message = "Email not found. It may have been deleted to make room for newer ones."


class LocalAccessOnly(Forbidden):
    code = "MAILBOX_LOCAL_ACCESS_ONLY"
    message = "The mailbox is only available on this machine, at http://127.0.0.1 or http://localhost."
