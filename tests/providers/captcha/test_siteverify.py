"""CAPTCHA verification against an emulated provider."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from pydantic import ValidationError

from tests.providers.captcha.emulator import SECRET, SITE_KEY, CaptchaEmulator, Failure
from undercroft.core.settings import use
from undercroft.providers.captcha import Captcha, CaptchaSettings, CaptchaUnavailable

Make = Callable[..., Captcha]
IP = "192.0.2.7"


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[CaptchaEmulator]:
    made = CaptchaEmulator()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def make(service: CaptchaEmulator, test_settings: None) -> AsyncIterator[Make]:
    made: list[Captcha] = []

    def captcha(**settings: object) -> Captcha:
        given = {
            "captcha_provider": "turnstile",
            "captcha_site_key": SITE_KEY,
            "captcha_secret": SECRET,
            "captcha_verify_url": f"{service.server.url}/siteverify",
            "captcha_timeout": 20,
            **settings,
        }
        use(CaptchaSettings(**given))
        made.append(Captcha())
        return made[-1]

    yield captcha
    for each in made:
        await each.close()


@pytest.mark.parametrize("provider", ["turnstile", "hcaptcha", "recaptcha"])
async def test_solved_captcha_is_accepted_once(make: Make, service: CaptchaEmulator, provider: str) -> None:
    captcha, token = make(captcha_provider=provider), service.solve()
    assert await captcha.verify(token, IP) is True
    assert await captcha.verify(token, IP) is False
    assert service.received_forms[0] == {"response": token, "remoteip": IP}


@pytest.mark.parametrize("token", ["", "guess", "x" * 5000, "\0", "é"])
async def test_invalid_token_is_refused(make: Make, token: str) -> None:
    assert await make().verify(token, IP) is False


async def test_oversized_token_is_not_sent_to_the_provider(make: Make, service: CaptchaEmulator) -> None:
    assert await make().verify("x" * 5000, IP) is False
    assert service.received_forms == []


async def test_low_score_is_refused(make: Make, service: CaptchaEmulator) -> None:
    captcha = make(captcha_provider="recaptcha", captcha_min_score=0.5)
    service.score = 0.4
    assert await captcha.verify(service.solve(), IP) is False
    service.score = 0.9
    assert await captcha.verify(service.solve(), IP) is True


@pytest.mark.parametrize("error", list(Failure))
async def test_unavailable_provider_is_handled_as_configured(
    make: Make, service: CaptchaEmulator, error: Failure
) -> None:
    service.failure = error
    seconds = 0.3 if error is Failure.SLOW else 20
    assert await make(captcha_timeout=seconds).verify("anything", IP) is True
    with pytest.raises(CaptchaUnavailable):
        await make(captcha_timeout=seconds, captcha_when_down="refuse").verify("anything", IP)


async def test_unreachable_provider_is_handled_as_an_outage(make: Make) -> None:
    assert await make(captcha_verify_url="http://127.0.0.1:1/siteverify").verify("anything", IP) is True


async def test_wrong_secret_raises(make: Make, service: CaptchaEmulator) -> None:
    with pytest.raises(CaptchaUnavailable):
        await make(captcha_secret="wrong").verify(service.solve(), IP)


async def test_provider_none_accepts_without_a_request(make: Make, service: CaptchaEmulator) -> None:
    assert await make(captcha_provider="none").verify("", IP) is True
    assert service.received_forms == []


def test_provider_without_keys_is_refused() -> None:
    with pytest.raises(ValidationError, match="CAPTCHA_SECRET"):
        CaptchaSettings(captcha_provider="turnstile", captcha_site_key="x")
