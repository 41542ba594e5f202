"""Errors of resources."""

from undercroft.core.errors import Unprocessable


class ReferenceNotFound(Unprocessable):
    code = "REFERENCE_NOT_FOUND"
    message = "The field in `details.field` refers to something that does not exist."

    def __init__(self, field: str) -> None:
        super().__init__(details={"field": field})
