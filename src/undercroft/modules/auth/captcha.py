"""Whether a person asks: by a captcha, where one is on. It is asked before anything else is looked at or counted."""

from typing import Any

from starlette.requests import Request

from undercroft.core.errors import ServiceUnavailable, Unprocessable
from undercroft.core.settings import load
from undercroft.modules.auth.client import client_ip
from undercroft.providers.captcha import Captcha, CaptchaSettings, CaptchaUnavailable


class CaptchaRequired(Unprocessable):
    """`details` name the provider and the site key that a page shows its captcha with."""

    code = "CAPTCHA_REQUIRED"
    message = "Show that you are a person: send the captcha's answer as `captcha_token`."


class CaptchaFailed(Unprocessable):
    code = "CAPTCHA_FAILED"
    message = "The captcha was not solved, or too long ago. Try it once more."


class CaptchaServiceUnavailable(ServiceUnavailable):
    code = "CAPTCHA_UNAVAILABLE"
    message = "Nobody can tell at the moment whether you are a person. Try again soon."


CAPTCHA_ERRORS = (CaptchaRequired, CaptchaFailed, CaptchaServiceUnavailable)


async def require_captcha(request: Request, token: str | None) -> None:
    """Raises `CaptchaRequired`, `CaptchaFailed`, `CaptchaServiceUnavailable`; nothing where no captcha is on."""
    captcha: Captcha = request.app.state.auth_services.captcha
    if captcha.service is None:
        return
    if not token:
        settings = load(CaptchaSettings)
        asked = {"provider": settings.captcha_provider.value, "site_key": settings.captcha_site_key}
        raise CaptchaRequired(details=asked)
    try:
        if not await captcha.verify(token, client_ip(request)):
            raise CaptchaFailed
    except CaptchaUnavailable:
        raise CaptchaServiceUnavailable from None


async def require_form_captcha(request: Request) -> None:
    """The same for a form that the captcha's own script has added its answer to."""
    service = request.app.state.auth_services.captcha.service
    if service is None:
        return
    response = (await request.form()).get(service.field)
    await require_captcha(request, response if isinstance(response, str) else None)


def captcha_context(request: Request) -> dict[str, Any]:
    """What a page with a form needs to show the captcha: the context `captcha` and, where one is on, the policy."""
    service = request.app.state.auth_services.captcha.service
    if service is None:
        return {"captcha": None}
    from undercroft.core.http.pages import build_csp

    shown = {
        "script": service.script,
        "widget_class": service.widget_class,
        "site_key": load(CaptchaSettings).captcha_site_key,
    }
    theirs = service.origins
    widened = build_csp(
        script_src=theirs,
        frame_src=theirs,
        connect_src=theirs,
        style_src=f"'self' {theirs}",
        img_src=f"'self' data: {theirs}",
    )
    return {"captcha": shown, "csp": widened}
