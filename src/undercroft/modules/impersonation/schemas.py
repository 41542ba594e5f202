"""Request and response bodies of impersonation."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from undercroft.core.validation import Schema, single_line
from undercroft.modules.sessions import Kind, SessionKind

REASON = "Ticket 4711: the invoice export is empty."


class Impersonate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": REASON}]})

    reason: Annotated[str, single_line(500, min_length=3)] = Field(description="Reason, recorded in the audit log.")
    session: Kind = SessionKind.BEARER


class ImpersonationToken(Schema):
    """An access token for the impersonated user, or a cookie. There is no refresh token."""

    session: Kind
    access_token: str | None = Field(
        None,
        description="A JWT with the administrator in the `act` claim; null for a cookie.",
        examples=["eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk4ZjNjMiJ9.c2lnbmF0dXJl"],
    )
    token_type: Literal["bearer"] = Field("bearer", description="Scheme of the `Authorization` header.")
    expires_in: int = Field(description="Time until the impersonation ends, in seconds.")
    user_id: UUID = Field(description="ID of the impersonated user.")
    session_id: UUID
