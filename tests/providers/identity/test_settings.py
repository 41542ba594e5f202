import pytest

from undercroft.core import settings
from undercroft.core.errors import ConfigurationError
from undercroft.providers.identity import HttpClient, IdentitySettings, SocialSettings, make_external, make_social

FIT: list[settings.SettingsBase] = [
    IdentitySettings(),
    SocialSettings(),
    IdentitySettings(auth_provider="oidc", oidc_issuer="https://id.example.com", oidc_audience="api"),
    IdentitySettings(
        auth_provider="clerk", clerk_issuer="https://clerk.example.com", clerk_authorized_parties="https://example.com"
    ),
    SocialSettings(google_client_id="x", google_client_secret="y"),
]
UNFIT: list[tuple[settings.SettingsBase, str]] = [
    (IdentitySettings(oidc_issuer="http://id.example.com"), "OIDC_ISSUER"),
    (IdentitySettings(auth_provider="supabase", supabase_url="http://x.supabase.co"), "SUPABASE_URL"),
    (IdentitySettings(supabase_jwt_secret="short"), "SUPABASE_JWT_SECRET"),
    (
        IdentitySettings(auth_provider="clerk", clerk_issuer="https://clerk.example.com"),
        "CLERK_AUTHORIZED_PARTIES",
    ),
    *[
        (SocialSettings(**{f"{name}_client_id": "x"}), f"{name.upper()}_CLIENT_SECRET")
        for name in ("google", "github", "microsoft", "oidc")
    ],
    (SocialSettings(apple_client_id="x", apple_team_id="y"), "APPLE_PRIVATE_KEY"),
    (SocialSettings(google_issuer="http://127.0.0.1:1"), "GOOGLE_ISSUER"),
]


@pytest.mark.parametrize("fit", FIT, ids=repr)
def test_valid_production_settings_have_no_errors(fit: settings.SettingsBase) -> None:
    assert list(fit.production_errors()) == []


@pytest.mark.parametrize(("unfit", "name"), UNFIT, ids=lambda each: each if isinstance(each, str) else "")
def test_production_errors_name_the_setting(unfit: settings.SettingsBase, name: str) -> None:
    assert any(name in error for error in unfit.production_errors())


@pytest.mark.parametrize("provider", ["oidc", "supabase", "clerk"])
def test_provider_without_its_required_setting_is_refused(provider: str) -> None:
    with pytest.raises(ValueError, match=f"AUTH_PROVIDER={provider} needs"):
        IdentitySettings(auth_provider=provider)


def test_oidc_requires_an_audience(test_settings: None) -> None:
    settings.use(IdentitySettings(auth_provider="oidc", oidc_issuer="https://id.example.com"))
    with pytest.raises(ConfigurationError, match="OIDC_AUDIENCE"):
        make_external(HttpClient())


def test_invalid_apple_key_is_refused(test_settings: None) -> None:
    settings.use(SocialSettings(apple_client_id="x", apple_private_key="not a key"))
    with pytest.raises(ConfigurationError, match="APPLE_PRIVATE_KEY"):
        make_social(HttpClient())


def test_missing_http_client_error_contains_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from undercroft.providers.identity import require_client

    monkeypatch.setattr("undercroft.core.extras.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"undercroft\[identity\]"):
        require_client("AUTH_PROVIDER")
