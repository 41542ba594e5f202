"""Request and response schemas of identities."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field, SecretStr

from undercroft.core.validation import Schema
from undercroft.modules.sessions import Token

CODE_CHALLENGE_PATTERN = r"^[A-Za-z0-9_-]{43}$"

ProviderName = Annotated[str, Path(description="Name of the provider.")]
"""The path parameter of the routes of one provider."""

CodeVerifier = Annotated[SecretStr, Field(min_length=43, max_length=128)]


class ProviderRead(Schema):
    name: str = Field(description="Name in the API.", examples=["google"])
    label: str = Field(description="Display name.", examples=["Google"])
    url: str = Field(description="Path that starts the sign-in.", examples=["/api/v1/auth/social/google"])


class Providers(Schema):
    items: list[ProviderRead] = Field(description="The items, in the order of the request.")


class IdentityRead(Schema):
    """An identity that can sign in to the account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str = Field(description="Name of the identity provider.", examples=["google"])
    email: str | None = Field(description="Email address last reported by the provider.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="Time of the last use; null if it was never used.")


class LinkRequest(Schema):
    provider: str = Field(
        max_length=64, description="Name of the provider, as in the list of providers.", examples=["google"]
    )
    return_to: str = Field("/", max_length=2000, description="Local path to redirect to afterwards.")


class Redirect(Schema):
    redirect_url: str = Field(
        description="URL to which to redirect the browser.", examples=["https://accounts.example.com/authorize"]
    )


class ExchangeRequest(Schema):
    code: Token
    code_verifier: CodeVerifier = Field(
        description="Verifier of the `code_challenge` (RFC 7636).",
        examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    )
