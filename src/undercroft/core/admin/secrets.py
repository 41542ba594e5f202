"""Columns that `/admin` never shows, whatever a view declares."""

import re
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapper

_SECRET = re.compile(r"hash|secret|token|passw|sealed|private|credential|signature|recovery|cookie|public_key|salt")


def get_secret_attributes(mapper: Mapper[Any]) -> frozenset[str]:
    """The attributes of a model that are named like secrets, and binary columns."""
    names = {name for name in mapper.attrs.keys() if _SECRET.search(name.lower())}  # noqa: SIM118 - no mapping
    return frozenset(names | {name for name, column in mapper.columns.items() if isinstance(column.type, LargeBinary)})
