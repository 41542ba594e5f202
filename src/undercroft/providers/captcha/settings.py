"""Settings of CAPTCHA verification."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, SecretStr, model_validator

from undercroft.core.adapters import NAME_PATTERN, find_adapter
from undercroft.core.deprecations import warn_setting_read
from undercroft.core.settings import SettingsBase

KIND = "undercroft.providers.captcha"


class OutagePolicy(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


class CaptchaSettings(SettingsBase):
    section: ClassVar[str] = "Captcha"

    captcha_provider: str = Field(
        "none",
        pattern=NAME_PATTERN,
        description="Service that verifies users who register, sign in or request an email: `turnstile`, `hcaptcha`, "
        "`recaptcha`, or `none` for no verification.",
    )
    captcha_site_key: str = Field("", description="Public site key, included in pages.")
    captcha_secret: SecretStr = Field(SecretStr(""), description="Secret key of the site key.")
    captcha_verify_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL for verifying tokens. Default: the provider's own URL.",
    )
    captcha_timeout: float = Field(4, gt=0, le=30, description="Timeout for the provider's response in seconds.")
    captcha_min_score: float = Field(0.5, ge=0, le=1, description="Minimum reCAPTCHA v3 score of a human.")
    captcha_when_down: OutagePolicy = Field(
        OutagePolicy.ALLOW,
        description="Behavior while the provider is unreachable: `allow` relies on rate limits and the sign-in "
        "throttle alone, `refuse` rejects requests.",
    )

    @model_validator(mode="after")
    def _require_complete(self) -> "CaptchaSettings":
        if self.is_on and not (self.captcha_secret.get_secret_value() and self.captcha_site_key):
            raise ValueError("CAPTCHA_PROVIDER needs CAPTCHA_SITE_KEY and CAPTCHA_SECRET.")
        return self

    @property
    def is_on(self) -> bool:
        return self.captcha_provider != "none"

    @property
    def captcha_seconds(self) -> float:
        """The former name of `captcha_timeout`."""
        warn_setting_read("CAPTCHA_SECONDS")
        return self.captcha_timeout

    def require_adapters(self) -> None:
        if self.is_on:
            find_adapter(KIND, self.captcha_provider, "CAPTCHA_PROVIDER")
