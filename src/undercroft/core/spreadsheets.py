"""CSV export that is safe to open in a spreadsheet."""

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from io import StringIO
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")  # noqa: RUF001 - Excel reads these as ASCII


def escape_cell(value: Any) -> str:
    """The value as text. A value that a spreadsheet would execute as a formula gets a leading quote (OWASP, CSV
    injection).
    """
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return text if is_number or not text.lstrip(" ").startswith(_FORMULA) else f"'{text}"


async def stream_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> AsyncIterator[str]:
    """Yield the file line by line (RFC 4180)."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    for row in (names, *rows):
        writer.writerow([escape_cell(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
