"""Settings of sessions, tokens and emailed links."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from undercroft.core.settings import CoreSettings, SettingsBase, load


class AuthSettings(SettingsBase):
    section = "Sign-in"

    access_token_minutes: float = Field(15, gt=0, le=60, description="Lifetime of an access token, in minutes.")
    access_token_audience: str = Field("undercroft", min_length=1, description="The `aud` claim of access tokens.")
    access_token_issuer: str = Field("", description="The `iss` claim of access tokens; PUBLIC_URL if empty.")
    session_idle_days: float = Field(30, gt=0, le=400, description="Days after which an unused session expires.")
    session_days: float = Field(90, gt=0, le=400, description="Maximum lifetime of a session, in days.")
    refresh_reuse_interval: float = Field(
        10,
        ge=0,
        le=60,
        description="Seconds after its rotation during which a refresh token returns the same successor again, for "
        "clients that lost the response; 0 disables this.",
    )
    verify_link_hours: float = Field(24, gt=0, le=168, description="Lifetime of an email verification link, in hours.")
    reset_link_minutes: float = Field(60, gt=0, le=1440, description="Lifetime of a password reset link, in minutes.")
    magic_links: bool = Field(
        False, description="Whether users can sign in with an emailed link instead of a password."
    )
    magic_link_minutes: float = Field(15, gt=0, le=120, description="Lifetime of a sign-in link, in minutes.")
    jwks_cache_seconds: int = Field(
        300, ge=0, le=86_400, description="Seconds for which clients may cache /.well-known/jwks.json."
    )

    @property
    def issuer(self) -> str:
        return self.access_token_issuer or load(CoreSettings).public_url

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def idle_timeout(self) -> timedelta:
        return timedelta(days=self.session_idle_days)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(days=self.session_days)

    @property
    def verify_link_lifetime(self) -> timedelta:
        return timedelta(hours=self.verify_link_hours)

    @property
    def magic_link_lifetime(self) -> timedelta:
        return timedelta(minutes=self.magic_link_minutes)

    @property
    def reset_link_lifetime(self) -> timedelta:
        return timedelta(minutes=self.reset_link_minutes)


class DisposableMail(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


def _split(value: Any) -> Any:
    return tuple(part.strip().lower() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Domains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class DisposableMailSettings(SettingsBase):
    section = "Sign-in"

    disposable_mail: DisposableMail = Field(
        DisposableMail.ALLOW,
        description="`refuse` rejects disposable email addresses for new accounts and address changes "
        "(install `undercroft[disposable-mail]`).",
    )
    disposable_mail_domains: Domains = Field(
        (), description="Additional disposable domains, separated by commas; their subdomains are included."
    )
    disposable_mail_allowed: Domains = Field(
        (), description="Domains to accept although they are listed, separated by commas."
    )
