"""Google reCAPTCHA."""

from undercroft.providers.captcha.siteverify import Service


def create() -> Service:
    """Return the public data of the provider."""
    return Service(
        "https://www.google.com/recaptcha/api/siteverify",
        "https://www.google.com/recaptcha/api.js",
        "https://www.google.com https://www.gstatic.com",
        "g-recaptcha",
        "g-recaptcha-response",
    )
