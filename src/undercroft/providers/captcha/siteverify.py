"""Turnstile, hCaptcha and reCAPTCHA, which all implement the siteverify protocol.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/ · https://docs.hcaptcha.com/#verify-the-user-response-server-side
· https://developers.google.com/recaptcha/docs/verify
"""

import structlog
from msgspec import Struct

from undercroft.core.adapters import find_adapter
from undercroft.core.settings import load
from undercroft.providers.captcha.settings import KIND, CaptchaSettings, OutagePolicy
from undercroft.providers.http_client import HttpClient, HttpClientError, require_client


class Service(Struct, frozen=True):
    """Public data of a provider: verification URL, script, Content-Security-Policy origins, widget and form field."""

    verify_url: str
    script: str
    origins: str
    widget_class: str
    field: str


log = structlog.get_logger("undercroft.security")

MAX_TOKEN_LENGTH = 4096
CONFIGURATION_ERRORS = frozenset(
    {"missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch", "bad-request"}
)


class CaptchaUnavailable(Exception):
    """The provider is unreachable and CAPTCHA_WHEN_DOWN is `refuse`, or the provider rejects the secret."""


class Captcha:
    """Client of the configured provider. Raises `ConfigurationError` when its HTTP client is not installed."""

    def __init__(self) -> None:
        settings = load(CaptchaSettings)
        self.service: Service | None = None
        if settings.is_on:
            self.service = find_adapter(KIND, settings.captcha_provider, "CAPTCHA_PROVIDER")()
            require_client("CAPTCHA_PROVIDER", extra="captcha")
        self._settings = settings
        self._http_client = HttpClient(timeout=settings.captcha_timeout, max_bytes=65_536)

    async def verify(self, token: str, ip: str) -> bool:
        """Return whether the token is valid. A token works only once. Raises `CaptchaUnavailable`."""
        if self.service is None:
            return True
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return False
        form = {"secret": self._settings.captcha_secret.get_secret_value(), "response": token, "remoteip": ip}
        try:
            response = await self._http_client.post(self._settings.captcha_verify_url or self.service.verify_url, form)
        except HttpClientError as error:
            return self._handle_outage(str(error))
        if not isinstance(response.content, dict) or not isinstance(response.content.get("success"), bool):
            return self._handle_outage(f"returned {response.status} without `success`")
        return self._is_human(response.content)

    async def close(self) -> None:
        await self._http_client.close()

    def _is_human(self, content: dict[str, object]) -> bool:
        codes = content.get("error-codes")
        if isinstance(codes, list) and CONFIGURATION_ERRORS.intersection(map(str, codes)):
            log.error("captcha.misconfigured", codes=sorted(map(str, codes)), hint="Check CAPTCHA_SECRET.")
            raise CaptchaUnavailable
        score = content.get("score", 1.0)
        has_min_score = isinstance(score, int | float) and score >= self._settings.captcha_min_score
        return content["success"] is True and has_min_score

    def _handle_outage(self, cause: str) -> bool:
        allowed = self._settings.captcha_when_down is OutagePolicy.ALLOW
        log.warning("captcha.unreachable", cause=cause, allowed=allowed)
        if not allowed:
            raise CaptchaUnavailable
        return True
