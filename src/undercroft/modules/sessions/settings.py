"""Settings of sessions and tokens."""

from datetime import timedelta

from pydantic import Field

from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, SettingsBase, load
from undercroft.providers.identity.settings import IdentitySettings


class SessionSettings(SettingsBase):
    section = "Sessions"

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
    jwks_cache_seconds: int = Field(
        300, ge=0, le=86_400, description="Seconds for which clients may cache /.well-known/jwks.json."
    )

    def require_adapters(self) -> None:
        """Administrators with accounts of this application need the module of second factors, or cannot sign in."""
        is_required = load(StepUpSettings).is_admin_mfa_required and not load(IdentitySettings).is_external
        if is_required and not load(CoreSettings).has_module("mfa"):
            raise ConfigurationError(
                "ADMIN_REQUIRES_MFA, by default true in production, needs the module mfa, which DISABLED_MODULES "
                "contains: no administrator could set up a second factor. Remove it there, or set "
                "ADMIN_REQUIRES_MFA=false."
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
