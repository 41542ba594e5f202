"""Exceptions that the application raises on purpose. Each has an HTTP status and an error code.

A module's `errors.py` subclasses one of the classes below and sets its own code:

    class ProjectNotFound(NotFound):
        code = "PROJECT_NOT_FOUND"
        message = "Project not found."
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ConfigurationError(Exception):
    """The settings or the machine do not allow the operation. The message states how to fix it.

    The command line prints it and exits with status 2. It never reaches an HTTP client.
    """


class TemporarilyUnavailable(ConfigurationError):
    """A required server is unavailable. The same operation may succeed later without any change here."""


class CodeError(Exception):
    """An error in the application's code that is detected at startup and stops it.

    `at` is the function, class or module that contains the error.
    """

    def __init__(self, message: str, *, at: Any) -> None:
        super().__init__(message)
        self.at = at


class PermanentError(Exception):
    """An operation that fails on every retry. A job that raises this is not retried."""


class AppError(Exception):
    """Base of the errors that the server returns to the client, all in the same format.

    With `commits` the unit of work commits before the error is returned, so that a state change that belongs to the
    error (a revoked session, a counted failure) is stored. Otherwise it rolls back. `field` names the invalid input,
    for forms that mark it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: ClassVar[str] = "An internal error occurred. Try again later."
    commits: ClassVar[bool] = False
    field: ClassVar[str] = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.text = message or self.message
        self.details = dict(details) if details else None
        self.headers = dict(headers) if headers else {}
        super().__init__(self.text)


class BadRequest(AppError):
    status = 400
    code = "BAD_REQUEST"
    message = "The request is malformed."


class Unauthorized(AppError):
    """The request has no valid credentials. The response has a `WWW-Authenticate` header (RFC 9110, 11.6.1)."""

    status = 401
    code = "UNAUTHORIZED"
    message = "Sign in to do this."

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, details=details, headers={"WWW-Authenticate": "Bearer", **(headers or {})})


class Forbidden(AppError):
    status = 403
    code = "FORBIDDEN"
    message = "You do not have permission to do this."


class NotFound(AppError):
    status = 404
    code = "NOT_FOUND"
    message = "Not found."


class Conflict(AppError):
    status = 409
    code = "CONFLICT"
    message = "The request conflicts with the current state of the resource."


class PreconditionFailed(AppError):
    status = 412
    code = "PRECONDITION_FAILED"
    message = "The resource has changed since you read it. Fetch it again, then retry."


class Unprocessable(AppError):
    status = 422
    code = "UNPROCESSABLE"
    message = "The request is well-formed but cannot be processed."


class TooManyRequests(AppError):
    """`retry_after` is in whole seconds."""

    status = 429
    code = "TOO_MANY_REQUESTS"
    message = "Too many requests."

    def __init__(
        self, message: str | None = None, *, retry_after: int, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(max(1, retry_after))})


class ServiceUnavailable(AppError):
    """A dependency of this request is down or overloaded; `retry_after` is in whole seconds."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = "The service is temporarily unavailable. Try again later."

    def __init__(
        self, message: str | None = None, *, retry_after: int = 2, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(max(1, retry_after))})
