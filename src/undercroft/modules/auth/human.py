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


class CaptchaDown(ServiceUnavailable):
    code = "CAPTCHA_UNAVAILABLE"
    message = "Nobody can tell at the moment whether you are a person. Try again soon."


CAPTCHA = (CaptchaRequired, CaptchaFailed, CaptchaDown)


async def require_human(request: Request, token: str | None) -> None:
    """Raises `CaptchaRequired`, `CaptchaFailed`, `CaptchaDown`; nothing where no captcha is on."""
    captcha: Captcha = request.app.state.identity.captcha
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
        raise CaptchaDown from None


async def require_human_at_form(request: Request) -> None:
    """The same for a form that the captcha's own script has added its answer to."""
    service = request.app.state.identity.captcha.service
    if service is None:
        return
    answer = (await request.form()).get(service.field)
    await require_human(request, answer if isinstance(answer, str) else None)


def captcha_of(request: Request) -> dict[str, Any]:
    """What a page with a form needs to show the captcha: the context `captcha` and, where one is on, the policy."""
    service = request.app.state.identity.captcha.service
    if service is None:
        return {"captcha": None}
    from undercroft.core.http.pages import policy

    shown = {"script": service.script, "mark": service.mark, "site_key": load(CaptchaSettings).captcha_site_key}
    theirs = service.origins
    widened = policy(
        script_src=theirs,
        frame_src=theirs,
        connect_src=theirs,
        style_src=f"'self' {theirs}",
        img_src=f"'self' data: {theirs}",
    )
    return {"captcha": shown, "csp": widened}
