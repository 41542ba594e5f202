"""Redact secrets in audit entries and separate personal values from them."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from undercroft.core.telemetry.redaction import HIDDEN

PERSONAL_PLACEHOLDER = "[personal]"
"""Replaces a separately stored value in an entry. Shown once the value has been erased."""

PERSONAL_FIELDS = frozenset(
    {"email", "new_email", "full_name", "first_name", "last_name", "avatar_url", "phone", "ip", "user_agent"}
)
_SECRET = re.compile(
    r"passw|secret|token|authorization|cookie|credential|csrf|otp|signature|hash|(^|_)(key|keys|pem|dsn|pwd|code)$",
    re.IGNORECASE,
)
_PUBLIC_FIELDS = frozenset({"token_type", "token_id", "api_key_id", "email_verified"})
_secret_cache: dict[str, bool] = {}


FREE_TEXT_FIELDS = frozenset(
    {"name", "title", "description", "slug", "label", "reason", "note", "notes", "text", "message"}
)
"""Fields with text that users choose, even if a value looks like an identifier."""
NON_TEXT_FIELDS = frozenset({"issuer", "actor_issuer", "actor"})
"""Fields with values from settings or identity providers, whatever they look like."""
_IDENTIFIER = re.compile(
    r"[a-z0-9_]{1,64}([.:/-][a-z0-9_]{1,64}){0,12}(\.\*)?"  # a role, a permission, a domain, an id
    r"|\d{4}-\d\d-\d\d[T ]?[0-9:.]{0,15}(Z|[+-]\d\d:?\d\d)?"  # a date or a time
)


class SplitValues(NamedTuple):
    """Values of an entry, and those stored separately: personal values and free text of users."""

    entry: dict[str, Any]
    personal: dict[str, Any]
    texts: dict[str, Any]


def split_values(values: Mapping[str, Any], personal: Collection[str] = ()) -> SplitValues:
    """Split the fields of an entry by kind. Secrets are redacted."""
    parts = SplitValues({}, {}, {})
    for name, value in values.items():
        if value is None or value == "":
            parts.entry[name] = value
        elif is_secret(name):
            parts.entry[name] = HIDDEN
        elif name in PERSONAL_FIELDS or name in personal:
            parts.entry[name], parts.personal[name] = PERSONAL_PLACEHOLDER, _redact(value)
        elif _has_text(name, value):
            parts.entry[name], parts.texts[name] = PERSONAL_PLACEHOLDER, _redact(value)
        else:
            parts.entry[name] = _redact(value)
    return parts


def _has_text(name: str, value: Any) -> bool:
    """Whether the value contains text that a user may have typed: any text that is not an identifier."""
    if isinstance(value, Mapping):
        return any(_has_text(str(inner), item) for inner, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_has_text(name, item) for item in value)
    if not isinstance(value, str) or name in NON_TEXT_FIELDS or value in ("", HIDDEN, PERSONAL_PLACEHOLDER):
        return False
    return name in FREE_TEXT_FIELDS or _IDENTIFIER.fullmatch(value) is None


def is_secret(name: str) -> bool:
    """Whether the name indicates a secret value."""
    known = _secret_cache.get(name)
    if known is None:
        known = name not in _PUBLIC_FIELDS and _SECRET.search(name) is not None
        if len(_secret_cache) < 2048:
            _secret_cache[name] = known
    return known


def _redact(value: Any) -> Any:
    """Redact secrets and personal values in nested values."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if is_secret(str(name)) else PERSONAL_PLACEHOLDER if name in PERSONAL_FIELDS else _redact(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item) for item in value]
    return value
