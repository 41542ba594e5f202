"""What never gets into an entry, and what is kept apart from it."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from undercroft.core.telemetry.redaction import HIDDEN

APART = "[personal]"
"""Stands in an entry for a value that is kept apart; what is shown instead once that is erased."""

PERSONAL = frozenset(
    {"email", "new_email", "full_name", "first_name", "last_name", "avatar_url", "phone", "ip", "user_agent"}
)
_SECRET = re.compile(
    r"passw|secret|token|authorization|cookie|credential|csrf|otp|signature|hash|(^|_)(key|keys|pem|dsn|pwd|code)$",
    re.IGNORECASE,
)
_PUBLIC = frozenset({"token_type", "token_id", "api_key_id", "email_verified"})
_known: dict[str, bool] = {}


def split(values: Mapping[str, Any], personal: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes into the entry, and the personal values that are kept apart; secrets are in neither."""
    kept: dict[str, Any] = {}
    apart: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == "":
            kept[name] = value
        elif is_secret(name):
            kept[name] = HIDDEN
        elif name in PERSONAL or name in personal:
            kept[name], apart[name] = APART, _cleaned(value)
        else:
            kept[name] = _cleaned(value)
    return kept, apart


def is_secret(name: str) -> bool:
    """Whether a field of this name holds what nobody may read."""
    known = _known.get(name)
    if known is None:
        known = name not in _PUBLIC and _SECRET.search(name) is not None
        if len(_known) < 2048:
            _known[name] = known
    return known


def _cleaned(value: Any) -> Any:
    """A value without what is secret or personal further inside it."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if is_secret(str(name)) else APART if name in PERSONAL else _cleaned(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item) for item in value]
    return value
