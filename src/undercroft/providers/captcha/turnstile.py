"""Cloudflare Turnstile."""

from undercroft.providers.captcha.siteverify import Service


def create() -> Service:
    """Return the public data of the provider."""
    return Service(
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        "https://challenges.cloudflare.com",
        "cf-turnstile",
        "cf-turnstile-response",
    )
