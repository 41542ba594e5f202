"""Identities that others keep, over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from undercroft.core.validation import Schema
from undercroft.modules.auth import Token

CODE_CHALLENGE_PATTERN = r"^[A-Za-z0-9_-]{43}$"

CodeVerifier = Annotated[SecretStr, Field(min_length=43, max_length=128)]


class ProviderRead(Schema):
    name: str = Field(examples=["google"])
    label: str = Field(description="What people call it.", examples=["Google"])
    url: str = Field(description="Where a link or a button leads.", examples=["/api/v1/auth/social/google"])


class Providers(Schema):
    items: list[ProviderRead]


class IdentityRead(Schema):
    """An identity that signs in to this account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str = Field(examples=["google"])
    email: str | None = Field(description="What the provider said last.")
    created_at: datetime
    last_used_at: datetime | None


class LinkRequest(Schema):
    provider: str = Field(max_length=64, description="Its name in the list of providers.")
    return_to: str = Field("/", max_length=2000, description="A path of this installation to come back to.")


class Redirect(Schema):
    redirect_url: str = Field(description="Where to send the browser.")


class ExchangeRequest(Schema):
    code: Token
    code_verifier: CodeVerifier = Field(description="What the `code_challenge` was made of (RFC 7636).")
