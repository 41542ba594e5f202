"""What can go wrong in the mailbox."""

from undercroft.core.errors import NotFound


class MailNotFound(NotFound):
    code = "MAIL_NOT_FOUND"
    message = "There is no such mail. It may have been dropped for newer ones."
