"""Turnstile, hCaptcha and reCAPTCHA: one protocol, called siteverify, at three addresses.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/ · https://docs.hcaptcha.com/#verify-the-user-response-server-side
· https://developers.google.com/recaptcha/docs/verify
"""

import structlog
from msgspec import Struct

from undercroft.core.settings import load
from undercroft.providers.captcha.settings import CaptchaName, CaptchaSettings, WhenDown
from undercroft.providers.outgoing import Outgoing, Unreachable, require_client

log = structlog.get_logger("undercroft.security")

LONGEST = 4096
OUR_FAULTS = frozenset({"missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch", "bad-request"})


class CaptchaUnavailable(Exception):
    """Nobody can tell: the provider is out of reach and CAPTCHA_WHEN_DOWN refuses, or it does not know our secret."""


class Service(Struct, frozen=True):
    """What is public about a provider: where it verifies, what its pages load, and what it adds to forms."""

    verify_url: str
    script: str
    origins: str
    mark: str
    field: str


SERVICES = {
    CaptchaName.TURNSTILE: Service(
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
        "https://challenges.cloudflare.com",
        "cf-turnstile",
        "cf-turnstile-response",
    ),
    CaptchaName.HCAPTCHA: Service(
        "https://api.hcaptcha.com/siteverify",
        "https://js.hcaptcha.com/1/api.js",
        "https://hcaptcha.com https://*.hcaptcha.com",
        "h-captcha",
        "h-captcha-response",
    ),
    CaptchaName.RECAPTCHA: Service(
        "https://www.google.com/recaptcha/api/siteverify",
        "https://www.google.com/recaptcha/api.js",
        "https://www.google.com https://www.gstatic.com",
        "g-recaptcha",
        "g-recaptcha-response",
    ),
}


class Captcha:
    """Raises `ConfigurationError` when the HTTP client that a provider needs is missing."""

    def __init__(self) -> None:
        settings = load(CaptchaSettings)
        self.service = SERVICES.get(settings.captcha_provider)
        if self.service is not None:
            require_client("CAPTCHA_PROVIDER", extra="captcha")
        self._settings = settings
        self._outgoing = Outgoing(timeout=settings.captcha_seconds, largest=65_536)

    async def verify(self, token: str, ip: str) -> bool:
        """Whether a person got this token just now; each works once. Raises `CaptchaUnavailable`."""
        if self.service is None:
            return True
        if not token or len(token) > LONGEST:
            return False
        form = {"secret": self._settings.captcha_secret.get_secret_value(), "response": token, "remoteip": ip}
        try:
            reply = await self._outgoing.post(self._settings.captcha_verify_url or self.service.verify_url, form)
        except Unreachable as error:
            return self._while_down(str(error))
        if not isinstance(reply.content, dict) or not isinstance(reply.content.get("success"), bool):
            return self._while_down(f"answered {reply.status} without a verdict")
        return self._verdict(reply.content)

    async def close(self) -> None:
        await self._outgoing.close()

    def _verdict(self, content: dict[str, object]) -> bool:
        codes = content.get("error-codes")
        if isinstance(codes, list) and OUR_FAULTS.intersection(map(str, codes)):
            log.error("captcha.misconfigured", codes=sorted(map(str, codes)), hint="Look at CAPTCHA_SECRET.")
            raise CaptchaUnavailable
        score = content.get("score", 1.0)
        enough = isinstance(score, int | float) and score >= self._settings.captcha_min_score
        return content["success"] is True and enough

    def _while_down(self, cause: str) -> bool:
        allowed = self._settings.captcha_when_down is WhenDown.ALLOW
        log.warning("captcha.unreachable", cause=cause, allowed=allowed)
        if not allowed:
            raise CaptchaUnavailable
        return True
