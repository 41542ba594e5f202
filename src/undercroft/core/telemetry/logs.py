"""Structured logs: readable lines in development, JSON in production.

    log = structlog.get_logger("undercroft.security")
    log.info("user.deactivated", actor_id=…)

The logger's name sets the category: application, security, performance, audit, error, access. Every line contains the
values bound to structlog's context (`request_id`, `user_id`, `team_id`, `job_id`). Records of the standard library's
`logging` are written in the same format.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry.error_file import record_error
from undercroft.core.telemetry.line_writer import LineWriter
from undercroft.core.telemetry.origin import find_origin
from undercroft.core.telemetry.redaction import clean, looks_clean, redact
from undercroft.core.telemetry.settings import TelemetrySettings

CATEGORIES = frozenset({"application", "security", "performance", "audit", "error", "access"})
NOISY = ("alembic", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "watchfiles")
_AUDIT = {"level": "info", "category": "audit", "logger": "undercroft.audit"}
URGENT = frozenset({"error", "critical", "exception"})

WRITER = LineWriter()
flush = WRITER.flush
_render_access: list[Callable[[dict[str, Any]], str]] = []
_render_audit: list[Callable[[dict[str, Any], str], str]] = []
_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(*, stream: TextIO | None = None) -> None:
    """Set up structlog and `logging` from the settings. It can be called again after the settings changed.

    Lines are written to `stream`, to standard error if it is None.
    """
    settings = load(TelemetrySettings)
    WRITER.flush()
    WRITER.stream = stream
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and load(CoreSettings).is_production)
    level = getattr(logging, settings.log_level.upper())
    render = _render_json if as_json else _console_renderer(stream or sys.stderr)
    structlog.configure(
        processors=[*_processors(), redact, _record, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Logger,
        cache_logger_on_first_use=False,
    )
    _route_standard_library(level, render)
    _render_access[:] = [encode if as_json else _access_line]
    _render_audit[:] = [_audit_json if as_json else _audit_line] if level <= logging.INFO else []


def write_access(facts: dict[str, Any]) -> None:
    """Write the access log line of one request. Does nothing before `configure`."""
    for render in _render_access:
        WRITER.write(render(facts), urgent=facts["status"] >= 500)


def write_audit(entry: dict[str, Any], encoded: str) -> None:
    """Write the line of one audit entry; `encoded` is the entry as JSON. Does nothing before `configure`."""
    for render in _render_audit:
        WRITER.write(render(entry, encoded))


def encode(event: Mapping[str, Any]) -> str:
    """One JSON line; values that JSON cannot represent are written as text."""
    try:
        return _encoder.encode(event).decode()
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return json.dumps(event, default=str, skipkeys=True)


def get_category(name: str) -> str:
    """The log category of a logger's name."""
    parts = name.split(".", 2)
    return parts[1] if len(parts) > 1 and parts[0] == "undercroft" and parts[1] in CATEGORIES else "application"


def timestamp() -> str:
    """The current time, as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Logger:
    """The wrapped logger of structlog, called with the rendered line."""

    def __init__(self, name: str = "undercroft.application", *_: Any) -> None:
        self.name = name

    def msg(self, line: str) -> None:
        WRITER.write(line)

    debug = info = warning = warn = msg

    def error(self, line: str) -> None:
        WRITER.write(line, urgent=True)

    exception = critical = fatal = error


def _processors() -> list[Any]:
    return [structlog.contextvars.merge_contextvars, _add_metadata, _add_origin, structlog.processors.format_exc_info]


def _add_origin(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the location in the application's code that a logged exception came from, and the fix if it is known."""
    given = event.get("exc_info")
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    origin = find_origin(error) if isinstance(error, BaseException) else None
    if origin is not None:
        event |= {"at": origin.location, "source": origin.source} | ({"hint": origin.hint} if origin.hint else {})
    return event


def _add_metadata(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    name = getattr(logger, "name", None) or "undercroft.application"
    return {
        "timestamp": timestamp(),
        "level": "error" if method in URGENT else "warning" if method == "warn" else method,
        "category": get_category(name),
        "logger": name,
        **event,
    }


def _record(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Also write an error to the file of a development stack."""
    record_error(event)
    return event


def _render_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return encode(event)


def _console_renderer(stream: TextIO) -> Any:
    renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)

    def render(logger: Any, method: str, event: dict[str, Any]) -> str:
        event.pop("category", None)
        event["timestamp"] = str(event.get("timestamp", ""))[11:23]
        return str(renderer(logger, method, event)).encode("utf-8", "replace").decode()

    return render


def _access_line(facts: dict[str, Any]) -> str:
    """`14:03:07 GET 200 /api/v1/app/projects 3.1 ms`, with the impersonator if there is one."""
    path = facts["path"].encode("utf-8", "replace").decode()
    printable = "".join(character if character.isprintable() else "?" for character in path)
    line = f"{facts['timestamp']:%H:%M:%S} {facts['method']} {facts['status']} {printable} {facts['ms']} ms"
    return line + _impersonator_suffix(facts)


def _audit_json(entry: dict[str, Any], encoded: str) -> str:
    """The encoded entry, encoded again only if something in it must be redacted."""
    if not looks_clean(encoded):
        encoded = encode({name: clean(value) for name, value in entry.items()})
    head = encode({"timestamp": entry["occurred_at"], **_AUDIT, "event": entry["action"]})
    return f"{head[:-1]},{encoded[1:]}"


def _audit_line(entry: dict[str, Any], _encoded: str) -> str:
    """`14:03:07 audit project.created user=… project=…`"""
    actor_id = entry["user_id"] or entry["job_id"] or ""
    target = f" {entry['target_type']}={entry['target_id'] or ''}" if entry["target_type"] else ""
    line = f"{entry['occurred_at']:%H:%M:%S} audit {entry['action']} {entry['actor_kind']}={actor_id}{target}"
    line += _impersonator_suffix(entry)
    return "".join(character if character.isprintable() else "?" for character in line)


def _impersonator_suffix(facts: dict[str, Any]) -> str:
    return f" impersonator={facts['impersonator_id']}" if facts.get("impersonator_id") else ""


class _StandardHandler(logging.Handler):
    """Writes records of `logging` in the same format as those of structlog."""

    def __init__(self, render: Any) -> None:
        super().__init__()
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        try:
            WRITER.write(self._line(record), urgent=record.levelno >= logging.ERROR)
        except Exception:
            self.handleError(record)

    def _line(self, record: logging.LogRecord) -> str:
        method = record.levelname.lower()
        event: dict[str, Any] = {"event": record.getMessage()}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        for process in (*_processors(), redact, _record):
            event = process(record, method, event)
        return str(self._render(record, method, event))


def _route_standard_library(level: int, render: Any) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _StandardHandler)]:
        root.removeHandler(handler)
    root.addHandler(_StandardHandler(render))
    root.setLevel(max(level, logging.INFO))
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)
