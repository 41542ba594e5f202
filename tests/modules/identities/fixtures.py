"""Applications with other identity settings than the shared application, on the same database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from undercroft.app.api import create_app
from undercroft.core import settings
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.devstack.emulators.oidc.issuer import AUDIENCE, SUPABASE_SECRET, WEBHOOK_SECRET
from undercroft.providers.identity import IdentitySettings, SocialSettings
from undercroft.testing.lifespan import run_lifespan

AUTHORIZED_PARTY = "https://app.example.com"


@asynccontextmanager
async def application(database: Database, *others: settings.SettingsBase) -> AsyncIterator[Api]:
    """An application with these settings."""
    before = [settings.load(type(each)) for each in others]
    for each in others:
        settings.use(each)
    try:
        app = create_app(database=database)
        async with run_lifespan(app):
            yield app
    finally:
        for each in before:
            settings.use(each)


@contextmanager
def local_accounts() -> Iterator[None]:
    """Use AUTH_PROVIDER=local within this block."""
    before = settings.load(IdentitySettings)
    settings.use(IdentitySettings())
    try:
        yield
    finally:
        settings.use(before)


def oidc(issuer: OidcIssuer, **more: Any) -> IdentitySettings:
    """AUTH_PROVIDER=oidc with the emulator as issuer."""
    return IdentitySettings(auth_provider="oidc", oidc_issuer=issuer.url, oidc_audience=(AUDIENCE,), **more)


def supabase(issuer: OidcIssuer, **more: Any) -> IdentitySettings:
    return IdentitySettings(
        auth_provider="supabase",
        supabase_url=f"{issuer.url}/supabase",
        supabase_anon_key="the anon key",
        supabase_webhook_secret=f"v1,{WEBHOOK_SECRET}",
        **more,
    )


def supabase_legacy(issuer: OidcIssuer) -> IdentitySettings:
    return supabase(issuer, supabase_jwt_secret=SUPABASE_SECRET)


def clerk(issuer: OidcIssuer, **more: Any) -> IdentitySettings:
    return IdentitySettings(
        auth_provider="clerk",
        clerk_issuer=f"{issuer.url}/clerk",
        clerk_authorized_parties=(AUTHORIZED_PARTY,),
        clerk_secret_key="sk_test",
        clerk_api_url=f"{issuer.url}/clerk",
        clerk_webhook_secret=WEBHOOK_SECRET,
        **more,
    )


def social(issuer: OidcIssuer, **more: Any) -> tuple[IdentitySettings, SocialSettings]:
    """All providers of social sign-in, served by the emulator."""
    from undercroft.devstack.emulators.oidc import CLIENT_ID, CLIENT_SECRET
    from undercroft.devstack.emulators.oidc.dialects import APPLE_KEY_ID, APPLE_TEAM

    pem: bytes = issuer.apple_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    clients = {f"{name}_client_id": CLIENT_ID for name in ("google", "github", "microsoft", "apple", "oidc")}
    secrets = {f"{name}_client_secret": CLIENT_SECRET for name in ("google", "github", "microsoft", "oidc")}
    return IdentitySettings(oidc_issuer=issuer.url), SocialSettings(
        **clients,
        **secrets,
        google_issuer=f"{issuer.url}/google",
        github_url=f"{issuer.url}/github",
        github_api_url=f"{issuer.url}/github/api",
        microsoft_url=f"{issuer.url}/microsoft",
        apple_issuer=f"{issuer.url}/apple",
        apple_team_id=APPLE_TEAM,
        apple_key_id=APPLE_KEY_ID,
        apple_private_key=pem.decode(),
        social_redirect_uris=("myapp://signed-in",),
        **more,
    )
