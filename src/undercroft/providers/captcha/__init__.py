"""CAPTCHA verification with the service that CAPTCHA_PROVIDER selects: `await captcha.verify(token, ip)`."""

from undercroft.providers.captcha.settings import CaptchaSettings
from undercroft.providers.captcha.siteverify import Captcha, CaptchaUnavailable, Service

__all__ = ["Captcha", "CaptchaSettings", "CaptchaUnavailable", "Service"]
