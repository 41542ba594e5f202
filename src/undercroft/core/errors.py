"""The exceptions that a program may raise on purpose; each knows its HTTP status and its code.

A module's `errors.py` subclasses one of the kinds below and names its own code:

    class ProjectNotFound(NotFound):
        code = "PROJECT_NOT_FOUND"
        message = "There is no such project."
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ConfigurationError(Exception):
    """The settings or the machine do not allow what was asked; the text tells a person how to mend it.

    The command line prints it and exits with 2. It never reaches an HTTP client.
    """


class TemporarilyUnavailable(ConfigurationError):
    """A server that is needed cannot be used at the moment: the same may succeed later without any change here."""


class CodeError(Exception):
    """The developer's code contradicts itself; `at` is the function, class or module where. It ends the start."""

    def __init__(self, message: str, *, at: Any) -> None:
        super().__init__(message)
        self.at = at


class PermanentError(Exception):
    """What was tried will fail again however often it is tried: a job that raises this is not retried."""


class AppError(Exception):
    """An error that is told to the client in the one shape of all errors.

    `commits` says that the state change that goes with the refusal (a revoked session, a counted failure) is kept:
    the unit of work commits before the error is answered. Otherwise it rolls back. `field` names the input that is
    wrong, for forms that point at it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: ClassVar[str] = "Something went wrong on our side."
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
    message = "The request could not be understood."


class Unauthorized(AppError):
    """No valid credentials were given; answers carry `WWW-Authenticate` (RFC 9110, 11.6.1)."""

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
    message = "You are not allowed to do this."


class NotFound(AppError):
    status = 404
    code = "NOT_FOUND"
    message = "There is nothing here."


class Conflict(AppError):
    status = 409
    code = "CONFLICT"
    message = "This clashes with the current state."


class PreconditionFailed(AppError):
    status = 412
    code = "PRECONDITION_FAILED"
    message = "It was changed in the meantime."


class Unprocessable(AppError):
    status = 422
    code = "UNPROCESSABLE"
    message = "The request is well formed but cannot be carried out."


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
    """Something this request needs is down or full; `retry_after` is in whole seconds."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = "This is unavailable at the moment."

    def __init__(
        self, message: str | None = None, *, retry_after: int = 2, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(max(1, retry_after))})
