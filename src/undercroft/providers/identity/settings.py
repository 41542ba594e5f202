"""Settings of external identities: the token issuer and the providers of social sign-in."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field, SecretStr, model_validator

from undercroft.core.adapters import NAME_PATTERN, find_adapter
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, SettingsBase, StringList, load

GOOGLE = "https://accounts.google.com"
APPLE = "https://appleid.apple.com"
GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"
MICROSOFT = "https://login.microsoftonline.com"
CLERK_API = "https://api.clerk.com"
URL = r"^(https?://[^\s]*[^\s/])?$"
ISSUER = r"^(https?://[^\s]+)?$"
"""Some issuers end with a slash, which is part of the issuer."""
SHARED_TENANTS = ("common", "organizations", "consumers")


KIND = "undercroft.providers.identity"


class IdentitySettings(SettingsBase):
    section: ClassVar[str] = "External identity"

    auth_provider: str = Field(
        "local",
        pattern=NAME_PATTERN,
        description="Service that manages the accounts: `local` (this application), `supabase`, `clerk` or `oidc`. "
        "With an external service, requests authenticate with its access tokens, and local registration and passwords "
        "are off.",
    )
    auth_trust_email: bool = Field(
        False,
        description="Treat email addresses of AUTH_PROVIDER as verified even if its tokens do not contain "
        "`email_verified`. Only for issuers where users cannot choose their address.",
    )
    oidc_issuer: str = Field("", pattern=ISSUER, description="Issuer for `oidc`, as in the claim `iss` of its tokens.")
    oidc_audience: StringList = Field(
        (), description="Accepted values of the claim `aud`, separated by commas. Default: OIDC_CLIENT_ID."
    )
    supabase_url: str = Field("", pattern=URL, description="Project URL, such as https://abcdefgh.supabase.co.")
    supabase_anon_key: SecretStr = Field(
        SecretStr(""), description="Anon or publishable key, used to check whether an email address is confirmed."
    )
    supabase_jwt_secret: SecretStr = Field(
        SecretStr(""), description="Legacy JWT secret, for projects that still sign with HS256."
    )
    supabase_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Signing secret of webhooks to /api/v1/public/identity/webhooks/supabase: `v1,whsec_…`.",
    )
    clerk_issuer: str = Field("", pattern=URL, description="Frontend API URL, such as https://clerk.example.com.")
    clerk_authorized_parties: StringList = Field(
        (), description="Accepted origins of session tokens (`azp`), such as https://app.example.com."
    )
    clerk_secret_key: SecretStr = Field(
        SecretStr(""), description="Secret key, used to fetch email addresses, which session tokens do not contain."
    )
    clerk_api_url: str = Field(CLERK_API, pattern=URL, description="URL of Clerk's Backend API.")
    clerk_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signing secret of webhooks to /api/v1/public/identity/webhooks/clerk: `whsec_…`."
    )

    @property
    def is_external(self) -> bool:
        return self.auth_provider != "local"

    @property
    def issuer(self) -> str:
        """Issuer of AUTH_PROVIDER's tokens, as in their claim `iss`; empty for `local`, OIDC_ISSUER for others."""
        issuers = {"local": "", "supabase": f"{self.supabase_url}/auth/v1", "clerk": self.clerk_issuer}
        return issuers.get(self.auth_provider, self.oidc_issuer)

    @property
    def missing_setting(self) -> str | None:
        """Name of the required setting that the selected provider lacks; None if there is none."""
        required = {"supabase": "supabase_url", "clerk": "clerk_issuer", "oidc": "oidc_issuer"}
        name = required.get(self.auth_provider)
        return None if name is None or getattr(self, name) else name.upper()

    @model_validator(mode="after")
    def _require_complete(self) -> "IdentitySettings":
        if self.missing_setting:
            raise ValueError(f"AUTH_PROVIDER={self.auth_provider} needs {self.missing_setting}.")
        return self

    def require_adapters(self) -> None:
        if self.is_external:
            if not load(CoreSettings).has_module("identities"):
                raise ConfigurationError(
                    f"AUTH_PROVIDER={self.auth_provider} needs the module identities, which DISABLED_MODULES contains. "
                    "Remove it there, or set AUTH_PROVIDER=local."
                )
            find_adapter(KIND, self.auth_provider, "AUTH_PROVIDER")

    def production_errors(self) -> Iterator[str]:
        for name in ("oidc_issuer", "supabase_url", "clerk_issuer", "clerk_api_url"):
            if getattr(self, name).startswith("http://"):
                yield f"{name.upper()} must begin with https://."
        if self.auth_provider == "clerk" and not self.clerk_authorized_parties:
            yield "CLERK_AUTHORIZED_PARTIES is not set. Set it to the origins of your pages, or any token is accepted."
        secret = self.supabase_jwt_secret.get_secret_value()
        if secret and len(secret) < 32:
            yield "SUPABASE_JWT_SECRET is too short. Use at least 32 characters, or none and asymmetric keys."


class SocialSettings(SettingsBase):
    section: ClassVar[str] = "Social sign-in"

    google_client_id: str = Field("", description="Client ID of Google; enables sign-in with Google.")
    google_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of Google.")
    google_issuer: str = Field(GOOGLE, pattern=URL, description="Issuer of Google; only tests use an emulator.")
    github_client_id: str = Field("", description="Client ID of GitHub; enables sign-in with GitHub.")
    github_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of GitHub.")
    github_url: str = Field(GITHUB, pattern=URL, description="URL of GitHub or of a GitHub Enterprise Server.")
    github_api_url: str = Field(GITHUB_API, pattern=URL, description="URL of its API.")
    microsoft_client_id: str = Field("", description="Client ID of Microsoft; enables sign-in with Microsoft.")
    microsoft_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of Microsoft.")
    microsoft_tenant: str = Field(
        "common",
        pattern=r"^[A-Za-z0-9.-]{1,100}$",
        description="Directory (tenant) ID, which treats all its email addresses as verified; or `common`, "
        "`organizations` or `consumers`, where only the optional claim `xms_edov` verifies an address.",
    )
    microsoft_url: str = Field(MICROSOFT, pattern=URL, description="URL of the Microsoft cloud.")
    apple_client_id: str = Field("", description="Services ID of Apple; enables sign-in with Apple.")
    apple_team_id: str = Field("", description="ID of the team that owns the key.")
    apple_key_id: str = Field("", description="ID of the key.")
    apple_private_key: SecretStr = Field(SecretStr(""), description="Private key (PEM), with \\n for line breaks.")
    apple_issuer: str = Field(APPLE, pattern=URL, description="Issuer of Apple; only tests use an emulator.")
    oidc_client_id: str = Field("", description="Client ID at OIDC_ISSUER; enables sign-in with it.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Client secret at OIDC_ISSUER.")
    oidc_name: str = Field("Single sign-on", max_length=60, description="Display name of OIDC_ISSUER.")
    oidc_scopes: str = Field("openid email profile", description="Scopes that a sign-in requests.")
    social_redirect_uris: StringList = Field(
        (),
        description="External URLs to which apps may be redirected with a one-time code, compared exactly, such as "
        "myapp://signed-in.",
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
