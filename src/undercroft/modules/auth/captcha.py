"""Captcha verification, if a captcha is configured. It runs before any lookup and before any attempt is counted."""

from typing import Any

from starlette.requests import Request

from undercroft.core.errors import ServiceUnavailable, Unprocessable
from undercroft.core.settings import load
from undercroft.modules.auth.client import client_ip
from undercroft.providers.captcha import Captcha, CaptchaSettings, CaptchaUnavailable


class CaptchaRequired(Unprocessable):
    """`details` contain the provider and the site key with which a page renders the captcha."""

    code = "CAPTCHA_REQUIRED"
    message = "Solve the captcha and send its response as `captcha_token`."


class CaptchaFailed(Unprocessable):
    code = "CAPTCHA_FAILED"
    message = "The captcha was not solved or has expired. Try again."


class CaptchaServiceUnavailable(ServiceUnavailable):
    code = "CAPTCHA_UNAVAILABLE"
    message = "The captcha service is unavailable. Try again later."


CAPTCHA_ERRORS = (CaptchaRequired, CaptchaFailed, CaptchaServiceUnavailable)


async def require_captcha(request: Request, token: str | None) -> None:
    """Verify a captcha response; does nothing if no captcha is configured.

    Raises `CaptchaRequired`, `CaptchaFailed`, `CaptchaServiceUnavailable`.
    """
    captcha: Captcha = request.app.state.auth_services.captcha
    if captcha.service is None:
        return
    if not token:
        settings = load(CaptchaSettings)
        details = {"provider": settings.captcha_provider.value, "site_key": settings.captcha_site_key}
        raise CaptchaRequired(details=details)
    try:
        if not await captcha.verify(token, client_ip(request)):
            raise CaptchaFailed
    except CaptchaUnavailable:
        raise CaptchaServiceUnavailable from None


async def require_form_captcha(request: Request) -> None:
    """Verify the captcha response that the captcha script added to a form. Raises like `require_captcha`."""
    service = request.app.state.auth_services.captcha.service
    if service is None:
        return
    response = (await request.form()).get(service.field)
    await require_captcha(request, response if isinstance(response, str) else None)


def captcha_context(request: Request) -> dict[str, Any]:
    """Return the template context for the captcha: `captcha` and, if one is configured, the policy `csp`."""
    service = request.app.state.auth_services.captcha.service
    if service is None:
        return {"captcha": None}
    from undercroft.core.http.pages import build_csp

    widget = {
        "script": service.script,
        "widget_class": service.widget_class,
        "site_key": load(CaptchaSettings).captcha_site_key,
    }
    origins = service.origins
    csp = build_csp(
        script_src=origins,
        frame_src=origins,
        connect_src=origins,
        style_src=f"'self' {origins}",
        img_src=f"'self' data: {origins}",
    )
    return {"captcha": widget, "csp": csp}
