"""hCaptcha."""

from undercroft.providers.captcha.siteverify import Service


def create() -> Service:
    """Return the public data of the provider."""
    return Service(
        "https://api.hcaptcha.com/siteverify",
        "https://js.hcaptcha.com/1/api.js",
        "https://hcaptcha.com https://*.hcaptcha.com",
        "h-captcha",
        "h-captcha-response",
    )
