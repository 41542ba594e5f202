"""Errors of forms."""

from undercroft.core.errors import Unprocessable


class InvalidEmail(Unprocessable):
    message = "Enter a valid email address."
    field = "email"


class NameInvalid(Unprocessable):
    code = "NAME_INVALID"
    message = "The name must be a single line without control characters."
    field = "full_name"
