"""What comes in and goes out about acting as somebody."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from undercroft.core.validation import Schema, single_line

REASON = "Ticket 4711: the export of invoices stays empty."


class Impersonate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": REASON}]})

    reason: Annotated[str, single_line(500, min_length=3)] = Field(description="Kept in the audit log.")


class ImpersonationToken(Schema):
    """There is no refresh token: it ends when it ends."""

    access_token: str = Field(description="A JWT whose claim `act` names the administrator.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds.")
    user_id: UUID = Field(description="Whom it acts as.")
    session_id: UUID
