"""Redact secrets and personal data in every log line."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

HIDDEN = "[redacted]"
MAX_DEPTH = 6
MAX_TEXT = 65_536

_SECRET_NAME = re.compile(
    r"passw|secret|token|authorization|cookie|credential|api[-_]?key|private[-_]?key|csrf|otp|^dsn$|signature|^pwd$",
    re.IGNORECASE,
)
_HARMLESS_NAMES = frozenset({"token_type", "secret_id", "token_id", "api_key_id"})
_LOOKS_SECRET = re.compile(
    r"""(?x)
      (?P<email> (?<![\w.+-]) [\w.+-]{1,64} @ [\w-]{1,63} (?: \. [\w-]{1,63} ){1,8} )
    | (?P<url> :// [^\s/@:]{0,128} : [^\s/@]{1,256} @ )
    | (?P<query> (?<=[?&\s;])
        (?: token|access_token|refresh_token|code|state|password|key|api_key|secret|ticket|signature ) = [^&\s"']+ )
    | (?: \b uc_ [\w-]{8,} | uc_ [0-9A-Za-z]{24,} )
    | \b eyJ [\w-]{5,4096} \. [\w-]{1,8192} (?: \. [\w-]* ){0,3}
    | (?P<scheme> \b (?: Bearer|Basic ) \s{1,8} [\w.~+/=-]{6,} )
    | (?P<sql> \[parameters: .{0,4096}? \] (?= \n | $ ) )
    | (?P<input> input_value= .{0,1024}? , \s input_type= )
    """,
    re.IGNORECASE | re.DOTALL,
)
_SIGNS = ("@", "=", "uc_", "eyJ", "earer", "asic", "EARER", "ASIC", "[param")


def looks_clean(text: str) -> bool:
    """Whether the text contains nothing that `clean_text` could redact."""
    for sign in _SIGNS:  # noqa: SIM110 - called for every request; a generator would take twice as long
        if sign in text:
            return False
    return True


def clean_text(text: str) -> str:
    """The text without tokens, credentials in URLs, or full email addresses; at most its first 64 Ki characters."""
    if looks_clean(text):
        return text
    return _LOOKS_SECRET.sub(_replace, text[:MAX_TEXT])


def clean(value: Any, depth: int = 0) -> Any:
    """A redacted copy of the value; values nested deeper than six levels are dropped."""
    if isinstance(value, str):
        return clean_text(value) if len(value) > 6 else value
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return "…"
        return {name: clean_field(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return "…" if depth >= MAX_DEPTH else [clean(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return f"[{len(value)} bytes]"
    return value


def clean_field(name: str, value: Any, depth: int = 0) -> Any:
    """The value of a named field: hidden if the name marks a secret, otherwise redacted."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return HIDDEN if is_secret_name(name) else clean(value, depth)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that redacts every field of the event."""
    for name, value in event.items():
        cleaned = clean_field(name, value)
        if cleaned is not value:
            event[name] = cleaned
    return event


@lru_cache(maxsize=2048)
def is_secret_name(name: str) -> bool:
    """Whether the name of a field marks a secret."""
    return name not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def _mask_email(text: str) -> str:
    name, _, domain = text.rpartition("@")
    return f"{name[:1]}***@{domain}"


_MASKS: dict[str, Callable[[str], str]] = {
    "email": _mask_email,
    "url": lambda _: f"://{HIDDEN}@",
    "query": lambda text: f"{text.partition('=')[0]}={HIDDEN}",
    "scheme": lambda text: f"{text.split()[0]} {HIDDEN}",
    "sql": lambda _: f"[parameters: {HIDDEN}]",
    "input": lambda _: f"input_value={HIDDEN}, input_type=",
}


def _replace(match: re.Match[str]) -> str:
    mask = _MASKS.get(match.lastgroup or "")
    return mask(match.group()) if mask else HIDDEN
