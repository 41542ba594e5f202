"""CAPTCHA verification with the service that CAPTCHA_PROVIDER selects: `await captcha.verify(token, ip)`."""

from undercroft.providers.captcha.settings import CaptchaProvider, CaptchaSettings
from undercroft.providers.captcha.siteverify import Captcha, CaptchaUnavailable

__all__ = ["Captcha", "CaptchaProvider", "CaptchaSettings", "CaptchaUnavailable"]
