"""The mailbox page."""

import re

import httpx2 as httpx
import pytest

from undercroft.providers.email import Address, Attachment, EmailMessage, get_mailer

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


async def send(to: str = "ada@example.com", subject: str = "Hello", text: str = "Hi", **more) -> None:
    message = EmailMessage(
        sender=Address("no-reply@acme.example"), to=(Address(to),), subject=subject, text=text, **more
    )
    await get_mailer().send_raw(message)


async def get_mail_id(browser: httpx.AsyncClient) -> str:
    (mail,) = (await browser.get("/dev/mailbox/messages")).json()["items"]
    return mail["id"]


async def page(browser: httpx.AsyncClient, **params: str) -> str:
    response = await browser.get("/dev/mailbox", params=params)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


async def test_page_reports_an_empty_mailbox(browser: httpx.AsyncClient) -> None:
    assert "No emails yet" in await page(browser)
    assert "No emails to bob" in await page(browser, to="bob")


async def test_list_is_filtered_by_recipient(browser: httpx.AsyncClient) -> None:
    await send("ada@example.com", "For Ada")
    await send("bob@example.com", "For Bob")

    assert "For Ada" in await page(browser)
    shown = await page(browser, to="bob")
    assert "For Bob" in shown
    assert "For Ada" not in shown


async def test_html_email_is_shown_in_a_sandboxed_frame(browser: httpx.AsyncClient) -> None:
    await send(html="<p>Hi</p>")
    mail_id = await get_mail_id(browser)

    shown = await page(browser, id=mail_id)

    (frame,) = re.findall(r"<iframe[^>]*>", shown)
    assert f'src="/dev/mailbox/messages/{mail_id}/html"' in frame
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame


async def test_frame_runs_no_script_and_opens_links_in_a_new_tab(browser: httpx.AsyncClient) -> None:
    await send(html=f"<html><head lang=en></head><body>{HOSTILE}</body></html>")

    response = await browser.get(f"/dev/mailbox/messages/{await get_mail_id(browser)}/html")

    policy = response.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; ")
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "frame-ancestors 'self'" in policy
    assert response.headers["x-frame-options"] == "SAMEORIGIN"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert '<head lang=en><base target="_blank">' in response.text


async def test_email_without_html_shows_its_text_with_links(browser: httpx.AsyncClient) -> None:
    await send(text=f"See https://acme.example/a?b=1&c=2. {HOSTILE}")
    mail_id = await get_mail_id(browser)

    shown = await page(browser, id=mail_id)

    assert (
        '<a href="https://acme.example/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">'
        "https://acme.example/a?b=1&amp;c=2</a>." in shown
    )
    assert "<iframe" not in shown
    assert (await browser.get(f"/dev/mailbox/messages/{mail_id}/html")).status_code == 404


async def test_email_content_is_escaped_on_the_page(browser: httpx.AsyncClient) -> None:
    await send(
        subject=HOSTILE, text=HOSTILE, html=HOSTILE, attachments=(Attachment(filename="<script>.txt", content=b""),)
    )
    mail_id = await get_mail_id(browser)

    for view in ("html", "text", "source"):
        shown = await page(browser, id=mail_id, view=view, to="")
        assert "<script>" not in shown
        assert "<img" not in shown


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", '"><script>', "\x00", "🎉", "%ff", "../x"])
async def test_query_parameters_are_escaped_on_the_page(browser: httpx.AsyncClient, value: str) -> None:
    await send()

    assert "<script>" not in await page(browser, to=value, id=value)


async def test_source_view_shows_the_raw_message(browser: httpx.AsyncClient) -> None:
    await send(subject="Hello", attachments=(Attachment(filename="report.pdf", content=b"x"),))
    mail_id = await get_mail_id(browser)

    assert "report.pdf" in await page(browser, id=mail_id)
    assert "Message-ID: &lt;" in await page(browser, id=mail_id, view="source")


async def test_page_reports_a_deleted_email(browser: httpx.AsyncClient) -> None:
    assert "This email was deleted" in await page(browser, id="0" * 32)
    assert (await browser.get(f"/dev/mailbox/messages/{'0' * 32}/html")).status_code == 404
    assert (await browser.get("/dev/mailbox", params={"view": "nonsense"})).status_code == 422


async def test_page_allows_only_its_own_assets_and_is_not_cached(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/dev/mailbox")

    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", response.text)
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', response.text):
        assert (await browser.get(address)).status_code == 200


async def test_page_is_not_in_the_openapi_schema(browser: httpx.AsyncClient) -> None:
    paths = (await browser.get("/openapi.json")).json()["paths"]
    assert [path for path in paths if path.startswith("/dev")] == []
