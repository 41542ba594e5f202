"""Errors of the mailbox."""

from undercroft.core.errors import NotFound


class MailNotFound(NotFound):
    code = "MAIL_NOT_FOUND"
    message = "Email not found. It may have been deleted to make room for newer ones."
