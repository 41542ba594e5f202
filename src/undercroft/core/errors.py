"""Exceptions that the application raises on purpose. Each has an HTTP status and an error code.

A module's `errors.py` subclasses one of the classes below and sets its own code:

    class ProjectNotFound(NotFound):
        code = "PROJECT_NOT_FOUND"
        message = "Project not found."
"""

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "AppError",
    "BadRequest",
    "CodeError",
    "ConfigurationError",
    "Conflict",
    "Forbidden",
    "NotFound",
    "PermanentError",
    "PreconditionFailed",
    "ServiceUnavailable",
    "TemporarilyUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "Unprocessable",
]


class ConfigurationError(Exception):
    """The settings or the machine do not allow the operation. The message states how to fix it.

    The command line prints it and exits with status 2. It never reaches an HTTP client.
    """


class TemporarilyUnavailable(ConfigurationError):
    """A required server is unavailable. The same operation may succeed later without any change here."""


class CodeError(Exception):
    """An error in the application's code that is detected at startup and stops it.

    `at` is the function, class or module that contains the error, or its file and line.
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
    for forms that mark it. `default_headers` are headers of every response with this error; `retry_after` sets
    `Retry-After`, in whole seconds.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: ClassVar[str] = "An internal error occurred. Try again later."
    commits: ClassVar[bool] = False
    field: ClassVar[str] = ""
    default_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.text = message or self.message
        self.details = dict(details) if details else None
        self.headers = {**self.default_headers, **(headers or {})}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, retry_after))
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
    default_headers = {"WWW-Authenticate": "Bearer"}


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
    status = 429
    code = "TOO_MANY_REQUESTS"
    message = "Too many requests."
    default_headers = {"Retry-After": "1"}


class ServiceUnavailable(AppError):
    """A dependency of this request is down or overloaded."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = "The service is temporarily unavailable. Try again later."
    default_headers = {"Retry-After": "2"}
