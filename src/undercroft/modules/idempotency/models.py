"""The table of keys. Neither keys nor requests are in it, only digests; answers are sealed under SECRET_KEY."""

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
        "the caller: digests, and a response sealed under SECRET_KEY", "IDEMPOTENCY_HOURS", non_personal=("outcome",)
    )

    digest: bytes = Field(sa_type=LargeBinary, primary_key=True, description="Of the key and whose it is.")
    request: bytes = Field(sa_type=LargeBinary, nullable=False, description="An HMAC over the request.")
    outcome: IdempotencyOutcome = Field(sa_type=String(10), nullable=False)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True, repr=False)
    created_at: datetime = Field(sa_type=_TIMESTAMP, nullable=False)
    expires_at: datetime = Field(sa_type=_TIMESTAMP, nullable=False, index=True)
