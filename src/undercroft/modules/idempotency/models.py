"""The table of keys. It stores only digests of keys and requests; responses are encrypted under SECRET_KEY."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, LargeBinary, String
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy
from undercroft.core.http.idempotency import IdempotencyOutcome

_TIMESTAMP: Any = DateTime(timezone=True)


class IdempotencyKey(SQLModel, table=True):
    __tablename__ = "idempotency_keys"
    __privacy__ = Privacy(
        "the caller: digests, and a response encrypted under SECRET_KEY", "IDEMPOTENCY_HOURS", non_personal=("outcome",)
    )

    digest: bytes = Field(sa_type=LargeBinary, primary_key=True, description="Digest of the key and its owner.")
    request: bytes = Field(sa_type=LargeBinary, description="HMAC of the request.")
    outcome: IdempotencyOutcome = Field(sa_type=String(10))
    response: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    created_at: datetime = Field(sa_type=_TIMESTAMP)
    expires_at: datetime = Field(sa_type=_TIMESTAMP, index=True)
