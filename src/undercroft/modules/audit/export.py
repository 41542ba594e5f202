"""Export entries as CSV for spreadsheets or as JSON lines for programs."""

import csv
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import msgspec

from undercroft.core.spreadsheets import escape_cell
from undercroft.modules.audit.schemas import ExportFormat

COLUMNS = (
    "occurred_at",
    "id",
    "action",
    "actor_kind",
    "actor_user_id",
    "actor_email",
    "actor_full_name",
    "actor_session_id",
    "actor_api_key_id",
    "actor_impersonator_id",
    "actor_job_id",
    "target_type",
    "target_id",
    "team_id",
    "request_id",
    "ip",
    "user_agent",
    "before",
    "after",
    "details",
)
_encode = msgspec.json.Encoder(enc_hook=str).encode


def csv_writer() -> Callable[[Sequence[dict[str, Any]]], bytes]:
    """Return a function that writes entries as CSV (RFC 4180), with a header line in its first call."""
    headed = False

    def write(entries: Sequence[dict[str, Any]]) -> bytes:
        nonlocal headed
        text = StringIO()
        lines = csv.writer(text)
        if not headed:
            lines.writerow(COLUMNS)
            headed = True
        lines.writerows([_cell(value) for value in _flatten(entry)] for entry in entries)
        return text.getvalue().encode("utf-8", "replace")

    return write


def json_lines_writer() -> Callable[[Sequence[dict[str, Any]]], bytes]:
    """Return a function that writes each entry as a line of JSON, in the form of the API."""

    def write(entries: Sequence[dict[str, Any]]) -> bytes:
        return b"".join(_encode(entry) + b"\n" for entry in entries)

    return write


WRITERS = {ExportFormat.CSV: csv_writer, ExportFormat.JSONL: json_lines_writer}
MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSONL: "application/jsonl"}


def _flatten(entry: dict[str, Any]) -> list[Any]:
    actor = {f"actor_{name}": value for name, value in entry["actor"].items()}
    return [{**entry, **actor}.get(name) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Format a cell as text, so that a spreadsheet does not evaluate values as formulas (CSV injection)."""
    return escape_cell(_encode(value).decode() if isinstance(value, dict) else value)
