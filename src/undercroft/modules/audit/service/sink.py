"""Write entries in the transaction of the change, and to the log after the commit.

Secrets are redacted, and personal values are stored separately, so that they can be erased.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from undercroft.core.audit import Actor, Entry, RequestOrigin, current_origin
from undercroft.core.db import Session, Statement, utc_now
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.redaction import HIDDEN
from undercroft.modules.audit.models import PersonalPart
from undercroft.modules.audit.repository import insert_entry, write_with_entry

_encode = msgspec.json.Encoder(enc_hook=str).encode


class DatabaseSink:
    """Default `Sink`: an entry costs one statement, or none when combined with the statement of the change."""

    async def write(self, session: Session, entry: Entry) -> None:
        row, encoded, whole = encode_entry(entry)
        await insert_entry(session, whole)
        session.after_commit(lambda: logs.write_audit(row, encoded))

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        row, encoded, whole = encode_entry(entry)
        change = await write_with_entry(session, statement, whole, values)
        session.after_commit(lambda: logs.write_audit(row, encoded) if change.rows else None)


def encode_entry(entry: Entry) -> tuple[dict[str, Any], str, str]:
    """Return an entry as columns, as JSON, and as JSON that includes its personal values as `personal`."""
    row, personal = build_row(entry)
    encoded = _encode(row).decode()
    return row, encoded, f'{encoded[:-1]},"personal":{_encode(personal).decode()}}}'


def build_row(entry: Entry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    actor, origin = entry.actor, current_origin()
    changed: dict[str, Mapping[str, Any]] = {"before": {}, "after": {}, "details": {}}
    fields: dict[str, Mapping[str, Any]] = {}
    texts: dict[str, Mapping[str, Any]] = {}
    for name in changed:
        if values := getattr(entry, name):
            changed[name], fields[name], texts[name] = split_values(values, entry.personal)
    row = {
        "occurred_at": utc_now(),
        "id": new_id(),
        "action": entry.action,
        "actor_kind": actor.kind,
        "user_id": actor.user_id,
        "session_id": actor.session_id,
        "api_key_id": actor.api_key_id,
        "impersonator_id": actor.impersonator_id,
        "job_id": actor.job_id,
        "target_type": entry.target_type or None,
        "target_id": entry.target_id,
        "team_id": entry.team_id,
        "request_id": origin.request_id,
        **changed,
    }
    return row, _personal_rows(entry, actor, origin, _drop_empty(fields), _drop_empty(texts))


def _drop_empty(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: values for name, values in parts.items() if values}


def _personal_rows(
    entry: Entry, actor: Actor, origin: RequestOrigin, fields: Mapping[str, Any], texts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Build the rows of personal values, each with the user or team it is about: the actor, the target or the team."""
    target = entry.target_id if entry.target_type == "user" else None
    who = actor.impersonator_id or actor.user_id
    personal: list[dict[str, Any]] = []
    if origin.ip or origin.user_agent:
        values: dict[str, Any] = {"ip": origin.ip, "user_agent": origin.user_agent}
        if actor.is_staff:
            values["staff"] = True
        personal.append(_personal_row(PersonalPart.ORIGIN, who or entry.person_id or target or entry.team_id, values))
    if fields:
        personal.append(_personal_row(PersonalPart.FIELDS, entry.person_id or target or who, fields))
    if texts:
        personal.append(_personal_row(PersonalPart.TEXTS, entry.team_id or entry.person_id or target or who, texts))
    return personal


def _personal_row(part: PersonalPart, person_id: UUID | None, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"part": part, "person_id": person_id, "values": values}


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


@lru_cache(2048)
def is_secret(name: str) -> bool:
    """Whether the name indicates a secret value."""
    return name not in _PUBLIC_FIELDS and _SECRET.search(name) is not None


def _redact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if is_secret(str(name)) else PERSONAL_PLACEHOLDER if name in PERSONAL_FIELDS else _redact(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item) for item in value]
    return value
