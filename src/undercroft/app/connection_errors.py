"""Responses of the server itself, to clients whose connection or request it refuses."""

from collections.abc import Iterator

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from undercroft.core.errors import AppError, BadRequest
from undercroft.core.http.errors import encode_error

MAX_HEADER_BYTES = 32 << 10


class HeadersTimedOut(AppError):
    status = 408
    code = "HEADERS_TIMED_OUT"
    message = "The request headers did not arrive in time. Send the request again."


class HeadersTooLarge(AppError):
    status = 431
    code = "HEADERS_TOO_LARGE"
    message = f"The URL and headers of the request exceed {MAX_HEADER_BYTES} bytes. Send fewer or shorter headers."


class TooManyConnections(AppError):
    status = 503
    code = "TOO_MANY_CONNECTIONS"
    message = "The server has no free connection. Try again later."


class MalformedRequest(BadRequest):
    code = "MALFORMED_REQUEST"
    message = "This is not an HTTP/1.1 request."


def encode_response(error: AppError) -> Iterator[bytes]:
    body = encode_error(error, None)
    yield STATUS_LINE[error.status]
    for name, value in (error.headers or {}).items():
        yield f"{name.lower()}: {value}\r\n".encode("latin-1")
    yield b"content-type: application/json\r\nconnection: close\r\n"
    yield b"content-length: %d\r\n\r\n" % len(body)
    yield body
