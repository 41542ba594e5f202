"""The mailbox API."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2 as httpx
import pytest

from tests.modules.mailbox.conftest import client
from undercroft.core import settings
from undercroft.core.settings import CoreSettings, Environment
from undercroft.providers.email import Address, EmailMessage, EmailSettings, get_mailer

MESSAGES = "/dev/mailbox/messages"


async def send(to: str = "ada@example.com", subject: str = "Hello", text: str = "Hi", **more) -> None:
    message = EmailMessage(
        sender=Address("no-reply@acme.example"), to=(Address(to),), subject=subject, text=text, **more
    )
    await get_mailer().send_raw(message)


async def items(browser: httpx.AsyncClient, **params: object) -> list[dict]:
    response = await browser.get(MESSAGES, params=params)
    assert response.status_code == 200, response.text
    return response.json()["items"]


async def test_mailbox_is_initially_empty(browser: httpx.AsyncClient) -> None:
    assert (await browser.get(MESSAGES)).json() == {"items": []}


async def test_email_has_text_html_and_links(browser: httpx.AsyncClient) -> None:
    await send(
        subject="Grüße",
        text="Click https://acme.example/verify?token=abc&x=1. Or (http://acme.example/help).",
        html='<a href="https://acme.example/verify?token=abc&amp;x=1">x</a><a href="https://acme.example/only-html">y</a>'
        '<a href="mailto:a@b.example">z</a>',
    )

    (mail,) = await items(browser)

    assert set(mail) == {"id", "to", "subject", "text", "html", "links", "sent_at"}
    assert (mail["to"], mail["subject"]) == ("ada@example.com", "Grüße")
    assert mail["text"].startswith("Click https://")
    assert mail["html"].startswith("<a href=")
    assert mail["links"] == [
        "https://acme.example/verify?token=abc&x=1",
        "http://acme.example/help",
        "https://acme.example/only-html",
    ]
    assert abs(datetime.fromisoformat(mail["sent_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_emails_are_listed_newest_first(browser: httpx.AsyncClient) -> None:
    for number in range(5):
        await send(subject=str(number))

    assert [mail["subject"] for mail in await items(browser)] == ["4", "3", "2", "1", "0"]
    assert [mail["subject"] for mail in await items(browser, limit=2)] == ["4", "3"]


@pytest.mark.parametrize(
    ("to", "count"),
    [
        ("", 4),
        ("ada@example.com", 1),
        ("ADA@Example.com ", 1),
        ("ada", 3),
        ("@example.com", 3),
        ("ada+tag@example.com", 1),
        ("a@example.com", 0),
        ("ada@bücher.example", 1),
        ("ada@xn--bcher-kva.example", 1),
        ("nobody@example.com", 0),
        ("%00", 0),
        ("' or 1=1", 0),
        ("../../etc/passwd", 0),
    ],
)
async def test_emails_are_filtered_by_recipient(browser: httpx.AsyncClient, to: str, count: int) -> None:
    for address in ("ada@example.com", "ada+tag@example.com", "bob@example.com", "ada@bücher.example"):
        await send(address)

    assert len(await items(browser, to=to)) == count


async def test_unescaped_plus_in_a_query_is_accepted(browser: httpx.AsyncClient) -> None:
    await send("ada+tag@example.com")

    assert len((await browser.get(f"{MESSAGES}?to=ada+tag@example.com")).json()["items"]) == 1


async def test_email_is_found_by_every_envelope_recipient(browser: httpx.AsyncClient) -> None:
    await send(cc=(Address("bob@example.com"),), bcc=(Address("eve@example.com"),))

    for to in ("ada@example.com", "bob@example.com", "eve@example.com"):
        assert len(await items(browser, to=to)) == 1


async def test_all_emails_can_be_deleted(browser: httpx.AsyncClient) -> None:
    await send()

    assert (await browser.delete(MESSAGES)).status_code == 204
    assert await items(browser) == []
    assert (await browser.delete(MESSAGES)).status_code == 204


async def test_list_succeeds_during_concurrent_writes_and_deletes(browser: httpx.AsyncClient) -> None:
    async def write() -> None:
        for number in range(30):
            await send(subject=str(number))
            if number % 10 == 9:
                await browser.delete(MESSAGES)

    writer = asyncio.create_task(write())
    while not writer.done():
        await items(browser)
    await writer


@pytest.mark.parametrize(("params", "status"), [({"limit": "0"}, 422), ({"limit": "x"}, 422), ({"to": "x" * 255}, 422)])
async def test_invalid_parameters_return_422(browser: httpx.AsyncClient, params: dict, status: int) -> None:
    assert (await browser.get(MESSAGES, params=params)).status_code == status


class TestAccessControl:
    """Emails contain sign-in links, so only clients on this machine have access."""

    @pytest.fixture(autouse=True)
    def _test_environment(self) -> None:
        """Use the test environment, where the server accepts every host."""
        settings.use(CoreSettings(environment=Environment.TEST))

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[fe80::1]", "", "[", "a b"],
    )
    @pytest.mark.parametrize("path", [MESSAGES, "/dev/mailbox"])
    async def test_foreign_host_header_is_rejected(self, host: str, path: str) -> None:
        async with client(headers={"Host": host}) as browser:
            assert (await browser.get(path)).status_code == 403

    @pytest.mark.parametrize(
        "host", ["127.0.0.1:8123", "localhost", "LOCALHOST:80", "app.localhost:8000", "[::1]:8000"]
    )
    async def test_loopback_host_header_is_accepted(self, host: str) -> None:
        async with client(headers={"Host": host}) as browser:
            assert (await browser.get(MESSAGES)).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_cross_site_request_is_rejected(self, headers: dict, method: str) -> None:
        await send()
        async with client(headers=headers) as browser:
            assert (await browser.request(method, MESSAGES)).status_code == 403
        async with client() as browser:
            assert len(await items(browser)) == 1

    @pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.7", "2001:db8::1", "::ffff:192.0.2.1"])
    @pytest.mark.parametrize("path", [MESSAGES, "/dev/mailbox", f"{MESSAGES}/x/html"])
    async def test_peer_on_another_machine_is_rejected_with_any_host_header(self, peer: str, path: str) -> None:
        async with client(peer=peer, headers={"Host": "localhost"}) as browser:
            response = await browser.get(path, headers={"Accept": "application/json"})
            assert (response.status_code, response.json()["error"]["code"]) == (403, "MAILBOX_LOCAL_ACCESS_ONLY")

    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    async def test_loopback_peer_is_accepted(self, peer: str) -> None:
        async with client(peer=peer) as browser:
            assert (await browser.get(MESSAGES)).status_code == 200

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host"])
    async def test_forwarded_request_is_rejected(self, header: str) -> None:
        async with client(headers={header: "127.0.0.1"}) as browser:
            response = await browser.get(MESSAGES)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "MAILBOX_LOCAL_ACCESS_ONLY")

    async def test_cross_site_navigation_is_accepted(self) -> None:
        async with client(headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) as browser:
            assert (await browser.get("/dev/mailbox")).status_code == 200


class TestMailboxDisabled:
    @pytest.mark.parametrize("path", ["/dev/mailbox", MESSAGES, "/dev/mailbox/messages/x/html"])
    @pytest.mark.parametrize("provider", ["console", "smtp"])
    async def test_routes_return_404_with_another_email_provider(self, provider: str, path: str) -> None:
        settings.use(EmailSettings(email_provider=provider))
        async with client() as browser:
            assert (await browser.get(path)).status_code == 404
            assert (await browser.post(path)).status_code == 404

    def test_mailbox_is_disabled_in_production(self) -> None:
        from undercroft.app.discovery import find_modules

        (mailbox,) = [module for module in find_modules() if module.name == "mailbox"]
        assert mailbox.is_enabled
        settings.use(CoreSettings(environment=Environment.PRODUCTION))
        assert not mailbox.is_enabled
        settings.use(EmailSettings())
        assert not mailbox.is_enabled
