"""Settings of identities that others keep: who issues tokens, and whom people may sign in with."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from undercroft.core.settings import SettingsBase

GOOGLE = "https://accounts.google.com"
APPLE = "https://appleid.apple.com"
GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
MICROSOFT = "https://login.microsoftonline.com"
CLERK_API = "https://api.clerk.com"
URL = r"^(https?://[^\s]*[^\s/])?$"
ISSUER = r"^(https?://[^\s]+)?$"
"""Some issuers end with a slash, which then belongs to their name."""
SHARED_TENANTS = ("common", "organizations", "consumers")


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


StringList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class AuthProviderName(StrEnum):
    LOCAL = "local"
    SUPABASE = "supabase"
    CLERK = "clerk"
    OIDC = "oidc"


class IdentitySettings(SettingsBase):
    section: ClassVar[str] = "External identity"

    auth_provider: AuthProviderName = Field(
        AuthProviderName.LOCAL,
        description="Who keeps the accounts: `local` (this installation), or `supabase`, `clerk` or `oidc`, whose "
        "access tokens are then what requests bear; local registration and passwords are off.",
    )
    auth_trust_email: bool = Field(
        False,
        description="Take the addresses of AUTH_PROVIDER as proven although its tokens do not say `email_verified`; "
        "only for an issuer that lets nobody choose an address.",
    )
    oidc_issuer: str = Field("", pattern=ISSUER, description="The issuer for `oidc`, as in its tokens' claim `iss`.")
    oidc_audience: StringList = Field(
        (), description="The claim `aud` of tokens that are accepted, separated by commas; OIDC_CLIENT_ID when empty."
    )
    supabase_url: str = Field("", pattern=URL, description="The project: https://abcdefgh.supabase.co.")
    supabase_anon_key: SecretStr = Field(
        SecretStr(""), description="Its anon or publishable key, to ask whether an address is confirmed."
    )
    supabase_jwt_secret: SecretStr = Field(
        SecretStr(""), description="Its legacy JWT secret, while it still signs with HS256."
    )
    supabase_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs what it posts to /api/v1/public/identity/webhooks/supabase: `v1,whsec_…`."
    )
    clerk_issuer: str = Field("", pattern=URL, description="The Frontend API: https://clerk.example.com.")
    clerk_authorized_parties: StringList = Field(
        (), description="Origins whose session tokens are accepted (`azp`): https://app.example.com."
    )
    clerk_secret_key: SecretStr = Field(
        SecretStr(""), description="The secret key, to ask for people's addresses, which session tokens do not hold."
    )
    clerk_api_url: str = Field(CLERK_API, pattern=URL, description="Where Clerk's Backend API is.")
    clerk_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs what it posts to /api/v1/public/identity/webhooks/clerk: `whsec_…`."
    )

    @property
    def is_external(self) -> bool:
        return self.auth_provider is not AuthProviderName.LOCAL

    @property
    def issuer(self) -> str:
        """Who issues the tokens of AUTH_PROVIDER, as their claim `iss` says; empty where the accounts are kept here."""
        issuers = {
            AuthProviderName.SUPABASE: f"{self.supabase_url}/auth/v1",
            AuthProviderName.CLERK: self.clerk_issuer,
            AuthProviderName.OIDC: self.oidc_issuer,
        }
        return issuers.get(self.auth_provider, "")

    @property
    def missing_setting(self) -> str | None:
        """The setting without which the chosen provider cannot work."""
        needs = {
            AuthProviderName.SUPABASE: ("SUPABASE_URL", self.supabase_url),
            AuthProviderName.CLERK: ("CLERK_ISSUER", self.clerk_issuer),
            AuthProviderName.OIDC: ("OIDC_ISSUER", self.oidc_issuer),
        }
        name, value = needs.get(self.auth_provider, ("", "-"))
        return None if value else name

    @model_validator(mode="after")
    def _require_complete(self) -> "IdentitySettings":
        if self.missing_setting:
            raise ValueError(f"AUTH_PROVIDER={self.auth_provider} needs {self.missing_setting}.")
        return self

    def production_errors(self) -> Iterator[str]:
        for name in ("oidc_issuer", "supabase_url", "clerk_issuer", "clerk_api_url"):
            if getattr(self, name).startswith("http://"):
                yield f"{name.upper()} must begin with https://."
        if self.auth_provider is AuthProviderName.CLERK and not self.clerk_authorized_parties:
            yield "CLERK_AUTHORIZED_PARTIES is not set: name the origins of your pages, or others' tokens would do."
        secret = self.supabase_jwt_secret.get_secret_value()
        if secret and len(secret) < 32:
            yield "SUPABASE_JWT_SECRET is too weak: at least 32 characters, or none and asymmetric keys."


class SocialSettings(SettingsBase):
    section: ClassVar[str] = "Social sign-in"

    google_client_id: str = Field("", description="Switches signing in with Google on.")
    google_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    google_issuer: str = Field(GOOGLE, pattern=URL, description="For tests: a stand-in in Google's place.")
    github_client_id: str = Field("", description="Switches signing in with GitHub on.")
    github_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    github_url: str = Field(GITHUB, pattern=URL, description="Another GitHub, such as an Enterprise Server.")
    github_api_url: str = Field(GITHUB_API, pattern=URL, description="Its API.")
    microsoft_client_id: str = Field("", description="Switches signing in with Microsoft on.")
    microsoft_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    microsoft_tenant: str = Field(
        "common",
        pattern=r"^[A-Za-z0-9.-]{1,100}$",
        description="A directory's id, whose addresses are then taken as proven; or `common`, `organizations`, "
        "`consumers`, where only those are that the optional claim `xms_edov` vouches for.",
    )
    microsoft_url: str = Field(MICROSOFT, pattern=URL, description="Another Microsoft cloud.")
    apple_client_id: str = Field("", description="Switches signing in with Apple on: the Services ID.")
    apple_team_id: str = Field("", description="The team that the key belongs to.")
    apple_key_id: str = Field("", description="The key's id.")
    apple_private_key: SecretStr = Field(SecretStr(""), description="The key itself, PEM; \\n for line ends.")
    apple_issuer: str = Field(APPLE, pattern=URL, description="For tests: a stand-in in Apple's place.")
    oidc_client_id: str = Field("", description="Switches signing in with OIDC_ISSUER on.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    oidc_name: str = Field("Single sign-on", max_length=60, description="What people call it.")
    oidc_scopes: str = Field("openid email profile", description="What is asked for.")
    social_redirect_uris: StringList = Field(
        (),
        description="Addresses outside this installation that an app may be sent back to with a one-time code, each "
        "exactly: myapp://signed-in.",
    )

    @property
    def is_on(self) -> bool:
        names = ("google", "github", "microsoft", "apple", "oidc")
        return any(getattr(self, f"{name}_client_id") for name in names)

    def production_errors(self) -> Iterator[str]:
        for name in ("google", "github", "microsoft", "oidc"):
            secret = getattr(self, f"{name}_client_secret").get_secret_value()
            if getattr(self, f"{name}_client_id") and not secret:
                yield f"{name.upper()}_CLIENT_SECRET is not set, but {name.upper()}_CLIENT_ID is."
        apple = (self.apple_team_id, self.apple_key_id, self.apple_private_key.get_secret_value())
        if self.apple_client_id and not all(apple):
            yield "APPLE_TEAM_ID, APPLE_KEY_ID and APPLE_PRIVATE_KEY must be set, because APPLE_CLIENT_ID is."
        for name in ("google_issuer", "github_url", "github_api_url", "microsoft_url", "apple_issuer"):
            if getattr(self, name).startswith("http://"):
                yield f"{name.upper()} must begin with https://."
