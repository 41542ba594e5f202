"""Whether a person sits in front of a form: `await captcha.verify(token, ip)`, by the service of CAPTCHA_PROVIDER."""

from undercroft.providers.captcha.settings import CaptchaProvider, CaptchaSettings
from undercroft.providers.captcha.siteverify import Captcha, CaptchaUnavailable

__all__ = ["Captcha", "CaptchaProvider", "CaptchaSettings", "CaptchaUnavailable"]
