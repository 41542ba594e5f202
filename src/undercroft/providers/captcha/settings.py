"""Settings of captchas."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, SecretStr, model_validator

from undercroft.core.settings import SettingsBase


class CaptchaProvider(StrEnum):
    NONE = "none"
    TURNSTILE = "turnstile"
    HCAPTCHA = "hcaptcha"
    RECAPTCHA = "recaptcha"


class OutagePolicy(StrEnum):
    ALLOW = "allow"
    REFUSE = "refuse"


class CaptchaSettings(SettingsBase):
    section: ClassVar[str] = "Captcha"

    captcha_provider: CaptchaProvider = Field(
        CaptchaProvider.NONE,
        description="`turnstile`, `hcaptcha` or `recaptcha` asks who registers, signs in or asks for a mail "
        "to show that they are a person; `none` asks nobody.",
    )
    captcha_site_key: str = Field("", description="The public key of the site, which pages show.")
    captcha_secret: SecretStr = Field(SecretStr(""), description="The secret that goes with it.")
    captcha_verify_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Where tokens are verified, when not at the provider's own address.",
    )
    captcha_seconds: float = Field(4, gt=0, le=30, description="Seconds for which the provider is waited for.")
    captcha_min_score: float = Field(0.5, ge=0, le=1, description="From which score of reCAPTCHA v3 on it is a person.")
    captcha_when_down: OutagePolicy = Field(
        OutagePolicy.ALLOW,
        description="What happens while the provider cannot be reached: `allow` relies on the limits and the throttle "
        "alone, `refuse` lets nobody in.",
    )

    @model_validator(mode="after")
    def _require_complete(self) -> "CaptchaSettings":
        if self.is_on and not (self.captcha_secret.get_secret_value() and self.captcha_site_key):
            raise ValueError("CAPTCHA_PROVIDER needs CAPTCHA_SITE_KEY and CAPTCHA_SECRET.")
        return self

    @property
    def is_on(self) -> bool:
        return self.captcha_provider is not CaptchaProvider.NONE
