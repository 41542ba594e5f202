"""How long people stay signed in, and how long mailed links work."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from undercroft.core.settings import CoreSettings, SettingsBase, load


class AuthSettings(SettingsBase):
    section = "Sign-in"

    access_token_minutes: float = Field(15, gt=0, le=60, description="Minutes for which an access token is valid.")
    access_token_audience: str = Field("undercroft", min_length=1, description="The claim `aud` of access tokens.")
    access_token_issuer: str = Field("", description="The claim `iss` of access tokens; PUBLIC_URL when empty.")
    session_idle_days: float = Field(30, gt=0, le=400, description="Days after which an unused session ends.")
    session_days: float = Field(90, gt=0, le=400, description="Days after which any session ends.")
    refresh_reuse_interval: float = Field(
        10,
        ge=0,
        le=60,
        description="Seconds from its rotation in which a refresh token returns the same successor again, for clients "
        "that lost the response; 0 for none.",
    )
    verify_link_hours: float = Field(
        24, gt=0, le=168, description="Hours for which a link that verifies an address works."
    )
    reset_link_minutes: float = Field(
        60, gt=0, le=1440, description="Minutes for which a link that resets a password works."
    )
    magic_links: bool = Field(False, description="Whether people may sign in by a mailed link instead of a password.")
    magic_link_minutes: float = Field(
        15, gt=0, le=120, description="Minutes for which a link that signs somebody in works."
    )
    jwks_cache_seconds: int = Field(
        300, ge=0, le=86_400, description="Seconds for which others may keep what /.well-known/jwks.json answers."
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
        description="`refuse` takes no addresses of mailboxes that are thrown away after use, for new accounts and "
        "changed addresses (install `undercroft[disposable-mail]`).",
    )
    disposable_mail_domains: Domains = Field(
        (), description="Domains to refuse besides the listed ones, separated by commas; those below them as well."
    )
    disposable_mail_allowed: Domains = Field((), description="Domains to take although they are listed.")
